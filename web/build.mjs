// Builds the browser scripts. `node build.mjs` writes them where the Python packages carry them;
// `node build.mjs --tests` bundles test/*.test.ts for node's test runner.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
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

// The recorder's package carries the replayer and a CSS parser in the same file. Three edits, made
// while bundling, let the bundler drop what recording never calls; a count that does not match
// means another release of the package, to be looked at by a person.
const trimmedRecorder = {
  name: "trimmed-recorder",
  setup(build) {
    build.onLoad({ filter: /rrweb[\\/]dist[\\/]rrweb\.js$/ }, async ({ path }) => {
      let text = await readFile(path, "utf8");
      const edit = (count, pattern, replacement) => {
        const found = text.match(pattern)?.length ?? 0;
        if (found !== count) throw new Error(`${pattern}: ${found} matches, expected ${count}`);
        text = text.replace(pattern, replacement);
      };
      // Listed as accessors, these two methods never look native: the recorder would add two
      // hidden frames to the visitor's page to get "clean" ones.
      edit(3, /("shadowRoot"),\s*"querySelector",\s*"querySelectorAll"/g, "$1");
      edit(48, /^import_postcss\$?\d*\.default\.\w+;$/gm, "");
      edit(
        2,
        /^(var postcss_default\$?\d*) = (import_postcss\$?\d*\.default);$/gm,
        "$1 = /* @__PURE__ */ (() => $2)();",
      );
      return { contents: text, loader: "js" };
    });
  },
};

async function bundle(entry, outfile, more = {}) {
  await esbuild.build({ ...common, entryPoints: [here(entry)], outfile, format: "iife", ...more });
  const digest = createHash("sha256")
    .update(await readFile(outfile))
    .digest("hex");
  return digest.slice(0, 16);
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
  await bundle("src/stub.ts", here("../proxy_addon/static/stub.js"));
  const capture = await bundle("src/capture/main.ts", `${RELAY}/capture.js`, {
    plugins: [trimmedRecorder],
  });
  await bundle("src/visitor/main.ts", `${RELAY}/loader.js`, {
    define: { CAPTURE_DIGEST: JSON.stringify(capture) },
  });
  await bundle("src/agent/viewer.ts", `${RELAY}/viewer.js`);
  await bundle("src/agent/console.ts", `${RELAY}/console.js`);
  await bundle("src/agent/agent.css", `${RELAY}/agent.css`, { format: undefined });
}
