/** Files for the tests of the compute process: checkpoints, data, tasks. Loads no GPU library. */
import { after } from 'node:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface Values {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** A directory that is gone when the tests of the file are done. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'twa-compute-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function writeText(file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Float32 tensors as a safetensors file: length of the header, header, bytes. */
export function writeSafetensors(file: string, tensors: Readonly<Record<string, Values>>): string {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, Buffer.concat([length, padded, ...parts]));
  return file;
}

/** Numbers between -1 and 1, the same every time. */
export function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

/** A task over arrays written as a CSV, with 60 % train, 25 % validation and 15 % test rows. */
export function writeTask(
  directory: string,
  { inputs, targets }: { readonly inputs: Values; readonly targets: Values },
  more: Readonly<Record<string, unknown>> = {},
): string {
  const rows = inputs.shape[0]!;
  const width = inputs.values.length / rows;
  const targetWidth = targets.values.length / rows;
  const lines = Array.from({ length: rows }, (_, row) =>
    [
      ...Array.from(inputs.values).slice(row * width, (row + 1) * width),
      ...Array.from(targets.values).slice(row * targetWidth, (row + 1) * targetWidth),
    ].join(),
  );
  writeText(path.join(directory, 'data.csv'), `${lines.join('\n')}\n`);
  const all = Array.from({ length: rows }, (_, row) => row);
  const splits = {
    train: all.slice(0, 0.6 * rows),
    validation: all.slice(0.6 * rows, 0.85 * rows),
    test: all.slice(0.85 * rows),
  };
  writeText(path.join(directory, 'splits.json'), JSON.stringify(splits));
  const source = (columns: string, shape: readonly number[]) => ({
    file: 'data.csv',
    header: false,
    columns,
    shape,
  });
  return writeText(
    path.join(directory, 'twa.json'),
    JSON.stringify({
      data: {
        inputs: source(`0-${width - 1}`, inputs.shape.slice(1)),
        targets: source(`${width}-${width + targetWidth - 1}`, targets.shape.slice(1)),
        splits: 'splits.json',
      },
      output: 'logits',
      loss: 'softmaxCrossEntropy',
      metric: 'accuracy',
      ...more,
    }),
  );
}
