/** One mutation, and what must hold for it: the right answer, or a typed error with a sentence. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

import { seededRandom } from '../../src/core/averaging/rng.ts';
import {
  addScaled,
  bytesPerElement,
  elementCount,
  encodeFromFloat64,
  floatComponents,
} from '../../src/core/checkpoints/dtype.ts';
import { mergeCheckpoints } from '../../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../../src/core/checkpoints/publish.ts';
import { formatById, inspectPath, requireComplete } from '../../src/core/checkpoints/registry.ts';
import type { CheckpointHeader, TensorInfo, TensorReader } from '../../src/core/checkpoints/types.ts';
import { TwaError } from '../../src/core/errors.ts';
import { below, mutate } from './mutate.ts';
import type { Subject } from './subjects.ts';

export interface Outcome {
  readonly subject: string;
  readonly what: string;
  /** The code of the error, or `merged`. */
  readonly result: string;
}

const CHUNK = 1 << 16;
const COEFFICIENTS = [0.25, 0.75];

/**
 * @param directory that is there for this case alone; what was mutated stays in it.
 * @throws whatever a reader or writer throws that is no TwaError, and AssertionError for a wrong answer.
 */
export async function runCase(
  subjects: readonly Subject[],
  seed: number,
  index: number,
  directory: string,
): Promise<Outcome> {
  const random = seededRandom(seed, `fuzz-${index}`);
  const subject = subjects[below(random, subjects.length)]!;
  const which = below(random, 2);
  const { target, what } = await mutatedCopy(subject, which, random, directory);
  const paths = subject.pair.map((path, i) => (i === which ? target : path));
  const result = await use(paths, target, join(directory, 'out'));
  return { subject: subject.name, what, result };
}

async function mutatedCopy(
  { pair }: Subject,
  which: number,
  random: () => number,
  directory: string,
): Promise<{ readonly target: string; readonly what: string }> {
  const header = await requireComplete(pair[which]!);
  const inside = join(directory, `copy-${which}`);
  const root = dirname(header.path);
  for (const { path } of header.files) {
    const copy = join(inside, relative(root, path));
    await mkdir(dirname(copy), { recursive: true });
    await cp(path, copy);
  }
  const target = join(inside, basename(header.path));
  const victim = join(inside, relative(root, header.files[below(random, header.files.length)]!.path));
  const { bytes, what } = mutate(await readFile(victim), random);
  await writeFile(victim, bytes);
  return { target, what: `${relative(inside, victim)}: ${what}` };
}

async function use(paths: readonly string[], target: string, out: string): Promise<string> {
  try {
    const inspection = await inspectPath(target);
    if (inspection.state !== 'complete') assert.match(inspection.reason, /^\S.*\.$/s);
    const headers: CheckpointHeader[] = [];
    for (const path of paths) headers.push(await requireComplete(path));
    await readAll(headers[paths.indexOf(target)]!);
    const output = join(out, formatById(headers[1]!.format).outputName('mean', headers[1]!));
    await mergeCheckpoints({ headers, coefficients: COEFFICIENTS, output, partial: partialPathFor(output) });
    await requireMean(headers, await requireComplete(output));
    return 'merged';
  } catch (error) {
    if (!(error instanceof TwaError)) throw error;
    assert.match(error.message, /^\S.*\.$/s);
    // A failed merge leaves nothing, not even the directory that it made.
    assert.equal(await stat(out).catch(() => undefined), undefined);
    return error.code;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function readAll(header: CheckpointHeader): Promise<void> {
  const reader = await formatById(header.format).open(header, { hash: true });
  try {
    for (const tensor of header.tensors) {
      const count = elementCount(tensor.shape)!;
      for (let start = 0; start < count; start += CHUNK) {
        await reader.read(stored(tensor), start, Math.min(CHUNK, count - start));
      }
    }
    await reader.sha256();
  } finally {
    await reader.close();
  }
}

const stored = (tensor: TensorInfo): TensorInfo =>
  tensor.aliasOf === undefined ? tensor : { ...tensor, name: tensor.aliasOf };

/** The average against one that is computed from the readers alone. */
async function requireMean(headers: readonly CheckpointHeader[], output: CheckpointHeader): Promise<void> {
  const template = headers.at(-1)!;
  assert.deepEqual(output.tensors, template.tensors);
  const readers: TensorReader[] = [];
  try {
    for (const header of [...headers, output]) readers.push(await formatById(header.format).open(header));
    const made = readers.at(-1)!;
    const sources = readers.slice(0, -1);
    for (const tensor of output.tensors) {
      if (tensor.aliasOf !== undefined) continue;
      const count = elementCount(tensor.shape)!;
      const components = floatComponents(tensor.dtype);
      for (let start = 0; start < count; start += CHUNK) {
        const length = Math.min(CHUNK, count - start);
        const expected = new Uint8Array(length * bytesPerElement(tensor.dtype));
        if (components === undefined) expected.set(await sources.at(-1)!.read(tensor, start, length));
        else {
          const sum = new Float64Array(length * components.perElement);
          for (const [i, source] of sources.entries()) {
            addScaled(sum, await source.read(tensor, start, length), components.dtype, COEFFICIENTS[i]!);
          }
          encodeFromFloat64(sum, components.dtype, expected);
        }
        const found = Buffer.from(await made.read(tensor, start, length));
        assert.ok(found.equals(expected), `${tensor.name} is not the mean`);
      }
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}
