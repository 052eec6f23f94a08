// Builds the browser scripts. `node build.mjs` writes them where the Python packages carry them;
// `node build.mjs --tests` bundles test/*.test.ts for node's test runner.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ADDON = here("../proxy_addon/static");
const RELAY = here("../relay/static");
const common = {
  bundle: true,
  minify: true,
  target: "es2021",
  charset: "ascii",
  legalComments: "none",
  logLevel: "warning",
  absWorkingDir: here("."),
};

/** Folders of the packages that are part of some bundle. */
const packages = new Set();

async function bundle(entry, outfile, more = {}) {
  const { metafile } = await esbuild.build({
    ...common,
    entryPoints: [here(entry)],
    outfile,
    format: "iife",
    metafile: true,
    ...more,
  });
  for (const input of Object.keys(metafile.inputs)) {
    const [folder] = /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
    if (folder) packages.add(folder);
  }
  const digest = createHash("sha384")
    .update(await readFile(outfile))
    .digest("base64");
  return `sha384-${digest}`;
}

/** Name, version and licence of each, as their licences ask. */
async function notices() {
  const texts = [...packages].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(here(`${folder}/package.json`), "utf8"));
    const file = (await readdir(here(folder))).find((name) => /^licen[cs]e/i.test(name));
    if (!file) throw new Error(`${name} is bundled, and has no licence file`);
    return `${name} ${version}\n\n${await readFile(here(`${folder}/${file}`), "utf8")}`;
  });
  return `What the browser scripts contain of others.\n\n${(await Promise.all(texts)).join("\n\n")}`;
}

if (process.argv.includes("--tests")) {
  const out = here("node_modules/.tests");
  await rm(out, { recursive: true, force: true });
  const tests = (await readdir(here("test"))).filter((name) => name.endsWith(".test.ts"));
  await esbuild.build({
    ...common,
    minify: false,
    entryPoints: tests.map((name) => here(`test/${name}`)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    format: "esm",
    platform: "node",
  });
} else {
  await mkdir(RELAY, { recursive: true });
  await bundle("src/stub.ts", `${ADDON}/stub.js`, { define: { TAG: "false" } });
  await bundle("src/stub.ts", `${RELAY}/tag.js`, { define: { TAG: "true" } });
  const capture = await bundle("src/capture/main.ts", `${RELAY}/capture.js`);
  const ui = await bundle("src/ui/main.ts", `${RELAY}/ui.js`);
  const loader = await bundle("src/visitor/main.ts", `${RELAY}/loader.js`, {
    define: { CAPTURE_INTEGRITY: JSON.stringify(capture), UI_INTEGRITY: JSON.stringify(ui) },
  });
  // For pages that take no script without its digest.
  await writeFile(`${ADDON}/loader.sri`, loader);
  await bundle("src/agent/viewer.ts", `${RELAY}/viewer.js`);
  await bundle("src/agent/console.ts", `${RELAY}/console.js`);
  await bundle("src/agent/plain.ts", `${RELAY}/plain.js`);
  await bundle("src/agent/api.ts", `${RELAY}/agent.js`);
  await bundle("src/settings/main.ts", `${RELAY}/settings.js`);
  await bundle("src/settings/preview.ts", `${RELAY}/preview.js`);
  await bundle("src/settings/settings.css", `${RELAY}/settings.css`, { format: undefined });
  await writeFile(`${RELAY}/NOTICES.txt`, await notices());
  await bundle("src/agent/agent.css", `${RELAY}/agent.css`, { format: undefined });
}
