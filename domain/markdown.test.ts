import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { markdownText } from "./markdown.ts";

describe("a stranger's text in Markdown", () => {
  test.each([
    ["momentum 2", "momentum 2"],
    ["a|b", "a\\|b"],
    ["line\n| 1 | x |\r\n# title", "line \\| 1 \\| x \\| \\# title"],
    ["<img src=x onerror=alert(1)>", "&lt;img src\\=x onerror\\=alert\\(1\\)&gt;"],
    ["`code` **bold** [link](javascript:1)", "\\`code\\` \\*\\*bold\\*\\* \\[link\\]\\(javascript\\:1\\)"],
    ["a\u202Egnp\u200B\u0000.exe", "a gnp \\.exe"],
    ["http://evil.test", "http\\://evil\\.test"],
    ["x".repeat(70), `${"x".repeat(59)}…`],
    ["日本語 – ok", "日本語 – ok"],
  ])("%j", (text, shown) => expect(markdownText(text)).toBe(shown));

  const letter = fc.oneof(fc.integer({ min: 0, max: 127 }), fc.integer({ min: 0, max: 0x10ffff }));
  test("is one line without an open mark, whatever it is", () => {
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 60 }), (letters) => {
        const text = letters.map((code) => String.fromCodePoint(code)).join("");
        const shown = markdownText(text);
        expect(shown).not.toMatch(/[<>\p{Cc}\p{Zl}\p{Zp}]/u);
        expect(shown.replace(/\\[^\p{L}\p{N}\s]/gu, "").replace(/&(lt|gt|amp);/g, "")).not.toMatch(/[\\`*_[\]|~&]/);
      }),
    );
  });
});
