/** What holds for the checkpoints of every framework; see `make_frameworks.py` for where they come from. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { describe, test } from 'node:test';

import { mergeCheckpoints } from '../../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../../src/core/checkpoints/publish.ts';
import {
  expandPaths,
  formatById,
  inspectPath,
  requireComplete,
} from '../../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../../src/core/checkpoints/types.ts';
import { FIXTURES, temporaryDirectory } from './help.ts';
import { PYTHON, skipWithout } from './python.ts';

interface Expected {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly hex: string;
}

interface Real {
  /** Folder in the fixtures with three checkpoints and `expected.json`. */
  readonly folder: string;
  readonly format: string;
  /** What is imported in `check_frameworks.py` to load the result; `numpy` where nothing else is needed. */
  readonly modules: readonly string[];
  /** What is mixed is compressed anew, and the same numbers need not give the same bytes. */
  readonly repacked?: boolean;
}

export function describeReal({ folder, format, modules, repacked = false }: Real): void {
  describe(`${folder}, by its own framework`, async () => {
    const directory = await temporaryDirectory();
    const source = join(FIXTURES, folder);
    const expectedPath = join(source, 'expected.json');
    const expected = JSON.parse(await readFile(expectedPath, 'utf8')) as Record<
      'last' | 'mean',
      Record<string, Expected>
    >;
    const headers: CheckpointHeader[] = [];
    for (const path of await expandPaths([source])) headers.push(await requireComplete(path));
    const last = headers.at(-1)!;
    let merged = '';

    test('every tensor equals the NumPy dump, bit for bit', async () => {
      assert.equal(headers.length, 3);
      assert.equal(last.format, format);
      assert.deepEqual(await dump(last), expected.last);
    });

    test('a reader gives any part of a tensor', async () => {
      const reader = await formatById(format).open(last);
      for (const tensor of last.tensors) {
        const { hex } = expected.last[tensor.name]!;
        const count = tensor.shape.reduce((product, length) => product * length, 1);
        if (count < 2) continue;
        const size = hex.length / count;
        const bytes = await reader.read(tensor, 1, count - 1);
        assert.equal(Buffer.from(bytes).toString('hex'), hex.slice(size), tensor.name);
      }
      await reader.close();
    });

    test('the mean is the float64 mean, rounded once', async () => {
      const output = join(directory, basename(formatById(format).outputName('mean', last)));
      await mergeCheckpoints({
        headers,
        coefficients: headers.map(() => 1 / headers.length),
        output,
        partial: partialPathFor(output),
      });
      merged = output;
      const header = await requireComplete(output);
      assert.equal(header.format, format);
      assert.deepEqual(await dump(header), expected.mean);
    });

    test(`mixed with coefficient 1, the newest comes out ${repacked ? 'with the same numbers' : 'byte for byte'}`, async () => {
      const output = join(directory, basename(formatById(format).outputName('same', last)));
      const coefficients = headers.map((header) => (header === last ? 1 : 0));
      await mergeCheckpoints({ headers, coefficients, output, partial: partialPathFor(output) });
      if (repacked) {
        assert.deepEqual(await dump(await requireComplete(output)), expected.last);
        return;
      }
      const isDirectory = (await stat(output)).isDirectory();
      for (const file of last.files) {
        const copy = isDirectory
          ? join(output, relative(last.path, file.path).replace(/^\.\.\//, ''))
          : endingLike(output, last.path, file.path);
        assert.ok((await readFile(copy)).equals(await readFile(file.path)), file.path);
      }
    });

    test('a file that is cut off is never taken for a whole one', async () => {
      // Not an index in JSON: without its last line break it is still whole.
      const first = last.files.find((file) => file.size > 0 && !file.path.endsWith('.json'))!;
      const whole = await filesNamed(last, directory);
      const target = join(whole.root, relative(whole.source, first.path));
      const cuts = Array.from({ length: 40 }, (_, i) => Math.floor((first.size * (39 - i)) / 40));
      for (const length of [first.size - 1, ...cuts]) {
        await truncate(target, length);
        const inspection = await inspectPath(whole.checkpoint);
        assert.notEqual(inspection.state, 'complete', `${length} of ${first.size} bytes`);
      }
    });

    test(`its framework loads the mean (${modules.join(', ')})`, skipWithout(modules), () => {
      const script = join(FIXTURES, 'check_frameworks.py');
      const { status, stdout, stderr } = spawnSync(PYTHON, [script, folder, merged, expectedPath], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr.slice(-3000) + stdout);
      assert.match(stdout, /^equal: \d+ tensors$/m);
    });
  });
}

/** `mean.index` -> `mean.data-00000-of-00001`, as `ckpt-3.index` -> `ckpt-3.data-00000-of-00001`. */
function endingLike(output: string, from: string, to: string): string {
  const ending = extname(from);
  return output.slice(0, -ending.length) + to.slice(from.length - ending.length);
}

async function dump(header: CheckpointHeader): Promise<Record<string, Expected>> {
  const reader = await formatById(header.format).open(header, { hash: true });
  const found: [string, Expected][] = [];
  for (const tensor of header.tensors) {
    const { name, dtype, shape } = tensor;
    const count = shape.reduce((product, length) => product * length, 1);
    const bytes = await reader.read(tensor, 0, count);
    found.push([name, { dtype, shape: [...shape], hex: Buffer.from(bytes).toString('hex') }]);
  }
  // Reads to the end, and so verifies every checksum.
  await reader.sha256();
  await reader.close();
  return Object.fromEntries(found);
}

/** A copy of a checkpoint to be damaged. */
async function filesNamed(
  header: CheckpointHeader,
  directory: string,
): Promise<{ root: string; source: string; checkpoint: string }> {
  const isDirectory = (await stat(header.path)).isDirectory();
  const root = join(directory, 'cut');
  if (isDirectory) {
    const checkpoint = join(root, basename(header.path));
    await cp(header.path, checkpoint, { recursive: true });
    return { root: checkpoint, source: header.path, checkpoint };
  }
  const source = join(header.path, '..');
  const stem = basename(header.path).replace(/\.[^.]*$/, '');
  for (const name of await readdir(source)) {
    if (name.startsWith(stem)) await cp(join(source, name), join(root, name));
  }
  return { root, source, checkpoint: join(root, basename(header.path)) };
}
