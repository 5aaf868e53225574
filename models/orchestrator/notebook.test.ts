import { describe, expect, test } from "vitest";
import { convertNotebook } from "./notebook.ts";
import { installedByNotebook, plainRequirements, requirementLines } from "./requirements.ts";
import { UploadError } from "./submission-files.ts";

type Cell = string | { markdown: string };
const notebookOf = (cells: readonly Cell[]) =>
  Buffer.from(
    JSON.stringify({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: cells.map((cell) =>
        typeof cell === "string"
          ? { cell_type: "code", metadata: {}, outputs: [], source: cell.split(/(?<=\n)/) }
          : { cell_type: "markdown", metadata: {}, source: cell.markdown },
      ),
    }),
  );
const convert = (...cells: readonly Cell[]) => convertNotebook(notebookOf(cells), "python3");

describe("a notebook becomes a module", () => {
  test.each([
    [
      "imports, functions, classes and comments stay",
      "# hello\nimport os\nfrom a import b\ndef f():\n    return 1\n@d\nclass A:\n    x = 1",
      "# hello\nimport os\nfrom a import b\ndef f():\n    return 1\n@d\nclass A:\n    x = 1\n",
    ],
    [
      "what runs at once does not",
      "x = f()\nfor i in range(3):\n    print(i)\ndef g(): pass",
      "#x = f()\n#for i in range(3):\n#    print(i)\ndef g(): pass\n",
    ],
    ["a call over two lines", "print(x(1\n        + 2))", "#print(x(1\n#        + 2))\n"],
    [
      "constants in capitals stay, others and computed ones do not",
      'A = 42\nWEIGHTS: list = [1, -2.5, "x"]\na = 42\nB = f()',
      'A = 42\nWEIGHTS: list = [1, -2.5, "x"]\n#a = 42\n#B = f()\n',
    ],
    [
      "the keep marks hold within their cell",
      "# @crunch/keep:on\na = f()\n# @crunch/keep:off\nb = f()",
      "# @crunch/keep:on\na = f()\n# @crunch/keep:off\n#b = f()\n",
    ],
    [
      "magics and shell lines go",
      "%matplotlib inline\n!ls \\\n  -l\n?help\nimport os",
      "#%matplotlib inline\n#!ls \\\n#  -l\n#?help\nimport os\n",
    ],
    ["a magic inside a function leaves a body", "def f():\n    %time g()", "def f():\n    pass  # %time g()\n"],
    [
      "a string that looks like a magic is a string",
      'def f():\n    return """\n%pip install x\n"""',
      'def f():\n    return """\n%pip install x\n"""\n',
    ],
    ["cells of another language go", "%%bash\necho hi", "#%%bash\n#echo hi\n"],
    ["timed cells are Python", "%%time\nimport os\nf()", "#%%time\nimport os\n#f()\n"],
    ["a line with an import stays whole", "import os; f()", "import os; f()\n"],
  ])("%s", async (_name, cell, expected) => {
    expect((await convert(cell)).source).toBe(expected);
  });

  test("cells follow each other; marks end with their cell; future imports come first", async () => {
    const { source } = await convert(
      "# @crunch/keep:on\nc = 1",
      { markdown: "# text" },
      "d = 1",
      "from __future__ import annotations\nimport os",
    );
    expect(source).toBe(
      "from __future__ import annotations\n\n\n# @crunch/keep:on\nc = 1\n\n\n#d = 1\n\n\n#from __future__ import annotations\nimport os\n",
    );
  });

  test("requirements come from pip lines and from versions beside imports", async () => {
    const { requirements } = await convert(
      "%pip install -q crunch-cli --upgrade --progress-bar off\n!pip install 'Foo_Bar==1.2' baz[x] && ls\npip install a \\\n  b",
      "import pandas # == 1.3\nimport sklearn # scikit-learn >= 1.2, < 2.0\nimport pyemd # EMD-signal @latest\nimport os # == 9\nimport plain # just words\nfrom requests import Session # ~= 2.1",
    );
    expect(requirements).toEqual([
      "a",
      "b",
      "baz[x]",
      "foo-bar==1.2",
      "emd-signal",
      "pandas==1.3",
      "requests~=2.1",
      "scikit-learn>=1.2,<2.0",
    ]);
  });

  test("markdown cells may hold files", async () => {
    const { files } = await convert(
      { markdown: "---\nfile: notes/a.md\n---\n\nText\n---\n" },
      { markdown: "--- no file" },
    );
    expect([...files]).toEqual([["notes/a.md", "Text\n---\n"]]);
  });

  test.each([
    ["broken Python", ["import os", "def f(:"], /Code cell 2, line 1 is no Python/],
    ["two versions of one package", ["import a # == 1", "import a # == 2"], /a is imported with different versions/],
    ["another index", ["%pip install --index-url http://x y"], /is an option/],
    ["an address", ["%pip install git+https://x/y.git"], /is an address/],
    ["the same file twice", [{ markdown: "---\nfile: a\n---\n" }, { markdown: "---\nfile: a\n---\n" }], /Two cells/],
    ["a file elsewhere", [{ markdown: "---\nfile: ../a\n---\n" }], /leaves its folder/],
    [
      "nesting that no parser stands",
      [`x = ${"(".repeat(100_000)}1${")".repeat(100_000)}`],
      /Code cell 1|too long or too much/,
    ],
  ] as [string, Cell[], RegExp][])("%s is refused", async (_name, cells, message) => {
    const refused = convert(...cells);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(UploadError);
  });

  test.each([
    ["no JSON", Buffer.from("import os"), /not JSON/],
    ["no UTF-8", Buffer.from([0x7b, 0xff]), /not JSON/],
    ["no notebook", Buffer.from("{}"), /nbformat/],
    ["an old format", Buffer.from('{"nbformat":3,"cells":[]}'), /only format 4/],
  ])("%s is refused", async (_name, bytes, message) => {
    await expect(convertNotebook(bytes, "python3")).rejects.toThrow(message);
  });
});

describe("requirements", () => {
  test("are brought into one form", () => {
    expect(
      plainRequirements(
        requirementLines(
          "# head\nNumPy >= 1.26 , <3  # why\n\nzope.interface\nnumpy>=1.26,<3\nx[a, b]==1.*; python_version < '3.12'\na \\\n ==1",
        ),
      ),
    ).toEqual(["a==1", "numpy>=1.26,<3", "x[a,b]==1.*; python_version < '3.12'", "zope-interface"]);
  });

  test.each([
    ["-e .", /option/],
    ["-r other.txt", /option/],
    ["--index-url https://evil.example/simple", /option/],
    ["--extra-index-url=https://evil.example/simple", /option/],
    ["numpy --hash=sha256:abc", /cannot be understood/],
    ["https://evil.example/x.whl", /address/],
    ["x @ https://evil.example/x.whl", /address/],
    ["x@https://evil.example/x.whl", /address/],
    ["git+ssh://x/y", /address/],
    ["file:///etc/passwd", /address/],
    ["./local", /path/],
    ["/abs/x.whl", /path/],
    ["x.whl", /path/],
    ["..", /path/],
    ["a b", /cannot be understood/],
    ["$(id)", /cannot be understood/],
    ["x".repeat(300), /longer/],
  ])("%s is refused", (line, message) => {
    expect(() => plainRequirements([line])).toThrow(message);
  });
  test("a notebook's pip line may not choose a source", () => {
    expect(() => installedByNotebook(["-f ./wheels x"])).toThrow(/option/);
    expect(installedByNotebook(["-qU x ; rm -rf /".replace("-qU ", "-q ")])).toEqual(["x"]);
  });
});
