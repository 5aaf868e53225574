import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { readConfig } from "../config.ts";

const REQUIREMENTS = "# Packages that the model imports, one a line: numpy>=1.26\n";

/** `almanac model new <name>`: a folder with main.py and requirements.txt. */
export async function newModelCommand(name: string): Promise<void> {
  const folder = resolve(name);
  if (existsSync(folder)) throw new Error(`${folder} is there already: give another name.`);
  const config = readConfig();
  const source = await sampleSource(config.COMPETITION, config.MODEL_BASE_CLASSNAME);
  await mkdir(folder);
  await writeFile(join(folder, "main.py"), source);
  await writeFile(join(folder, "requirements.txt"), REQUIREMENTS);
  console.log(
    `${folder}\n  main.py\n  requirements.txt\n\nNext: almanac model test ./${name}, then almanac model run ./${name}`,
  );
}

/** The competition's own first example; where it has none, the least that its base class asks for. */
async function sampleSource(competition: string, baseClassname: string): Promise<string> {
  const examples = join(dirname(resolve(competition)), "challenge/examples");
  const names = (await readdir(examples).catch(() => [])).filter((name) => name.endsWith(".py")).sort();
  if (names[0]) return readFile(join(examples, names[0]), "utf8");
  const at = baseClassname.lastIndexOf(".");
  const [module, base] = [baseClassname.slice(0, at), baseClassname.slice(at + 1)];
  return `from ${module} import ${base}


class Model(${base}):
    def __init__(self):
        self.last = None

    def tick(self, data):
        self.last = data

    def predict(self, *args, **kwargs):
        return {"value": 0.0}
`;
}
