/**
 * How long the headers of a large checkpoint take, which is what opening it in the editor waits for.
 *
 *     node bench/headers.ts [--gigabytes 10] [--tensors 1000] [--runs 20] [--directory /tmp]
 *
 * The file is sparse: its header is written, the rest is a hole. Prints the first time and the median of the others.
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { inspectPath } from '../src/core/checkpoints/registry.ts';

const { values: options } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '10' },
    tensors: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '20' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const tensors = Number(options.tensors);
const elements = Math.floor((Number(options.gigabytes) * 1e9) / tensors / 4);

const directory = await mkdtemp(join(options.directory, 'twa-bench-'));
try {
  const path = join(directory, 'large.safetensors');
  const entries = Array.from({ length: tensors }, (_, t) => [
    `model.layers.${t}.self_attn.q_proj.weight`,
    { dtype: 'F32', shape: [elements], data_offsets: [t * elements * 4, (t + 1) * elements * 4] },
  ]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const handle = await open(path, 'wx');
  await handle.write(Buffer.concat([length, json]));
  await handle.truncate(8 + json.length + tensors * elements * 4);
  await handle.close();

  const times: number[] = [];
  for (let run = 0; run < Number(options.runs); run++) {
    const start = performance.now();
    const inspection = await inspectPath(path);
    times.push(performance.now() - start);
    if (inspection.state !== 'complete') throw new Error(inspection.reason);
  }
  const [first, ...others] = times;
  const median = others.sort((a, b) => a - b)[Math.floor(others.length / 2)]!;
  console.log(
    `${options.gigabytes} GB, ${tensors} tensors: ${first!.toFixed(1)} ms the first time, then ${median.toFixed(1)} ms`,
  );
} finally {
  await rm(directory, { recursive: true, force: true });
}
