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

async function bundle(entry, outfile, more = {}) {
  await esbuild.build({ ...common, entryPoints: [here(entry)], outfile, format: "iife", ...more });
  const digest = createHash("sha384")
    .update(await readFile(outfile))
    .digest("base64");
  return `sha384-${digest}`;
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
  await bundle("src/agent/agent.css", `${RELAY}/agent.css`, { format: undefined });
}
