/** What a window loads when the extension starts: not what reads, averages or validates, which comes when it is needed. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../../..');
const LATER = [
  'node_modules/ajv/',
  'node_modules/chokidar/',
  'node_modules/csv-parse/',
  'node_modules/ml-matrix/',
  'src/core/checkpoints/registry.ts',
  'src/extension/averaging/flow.ts',
];

test('readers, watching and averaging are not in the part that a window loads at its start', async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/extension/extension.ts'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    external: ['vscode'],
    outdir: 'dist',
    write: false,
    metafile: true,
  });
  const atStart = new Set<string>();
  const follow = (output: string): void => {
    const { imports, inputs } = metafile.outputs[output]!;
    for (const input of Object.keys(inputs)) atStart.add(input);
    for (const each of imports) {
      if (each.kind === 'import-statement' && each.external !== true) follow(each.path);
    }
  };
  follow('dist/extension.js');
  assert.ok(atStart.has('src/extension/tree/provider.ts'));
  for (const name of LATER) {
    assert.deepEqual(
      [...atStart].filter((input) => input.startsWith(name)),
      [],
      name,
    );
    // Else this test would no longer know what the names are.
    assert.ok(
      Object.keys(metafile.inputs).some((input) => input.startsWith(name)),
      name,
    );
  }
});
