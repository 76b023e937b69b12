/**
 * How fast the centred Gram matrix comes out of checkpoint files, against plain reads of the same bytes in the same run.
 *
 *     node bench/gram.ts [--files 5,20] [--megabytes 100] [--dtype F32] [--runs 3] [--directory /tmp] [--python python3]
 *
 * Prints, for each number of files, MB/s of their bytes and the ratio to positioned reads into one reused buffer, the
 * two loops alone, and peak RSS. The work per byte grows with the number of files: each number is multiplied with those
 * of all others. Files come from the page cache unless they are larger than memory. Where that Python has numpy and
 * safetensors, it does the same job in the same run (`gram.py`), all files in memory at once. Medians of the runs. The
 * clock tells little on a busy machine; processor time tells more.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';

import { bytesPerElement, encodeFromFloat64, isDType, isFloat } from '../src/core/checkpoints/dtype.ts';
import { streamGram } from '../src/core/checkpoints/gram.ts';
import { requireComplete } from '../src/core/checkpoints/registry.ts';
import type { FloatDType } from '../src/core/checkpoints/types.ts';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '5,20' },
    megabytes: { type: 'string', default: '100' },
    dtype: { type: 'string', default: 'F32' },
    runs: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
    python: { type: 'string', default: 'python3' },
  },
});
const counts = options.files.split(',').map(Number);
const megabytes = Number(options.megabytes);
const runs = Number(options.runs);
if (!counts.every((count) => count >= 1) || !(megabytes >= 1) || !(runs >= 1)) {
  throw new Error('--files, --megabytes and --runs are numbers from 1 on.');
}
const dtype = floatType(options.dtype);
const CHUNK = 4 << 20;

const directory = await mkdtemp(join(options.directory, 'twa-bench-'));
try {
  const paths: string[] = [];
  for (let i = 0; i < Math.max(...counts); i++) paths.push(await makeFile(i));
  const numpy = await hasNumpy();
  for (const count of counts) await measure(paths.slice(0, count), numpy);
  console.log(`peak RSS     ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`);
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function measure(paths: readonly string[], numpy: boolean): Promise<void> {
  const bytes = paths.length * megabytes;
  const reading: Times[] = [];
  const multiplying: Times[] = [];
  const theirs: PeerResult[] = [];
  let corner = 0;
  for (let run = 0; run < runs; run++) {
    reading.push(await timed(() => readAll(paths)));
    multiplying.push(
      await timed(async () => {
        const headers = await Promise.all(paths.map((path) => requireComplete(path)));
        corner = (await streamGram({ headers })).gram.centred[0]!;
      }),
    );
    if (numpy) theirs.push(await runNumpy(paths));
  }
  const read = medians(reading);
  const ours = medians(multiplying);
  const show = ({ wall, cpu }: Times): string =>
    `${(bytes / wall).toFixed(0)} MB/s (${wall.toFixed(2)} s, ${cpu.toFixed(2)} s of CPU)`;
  console.log(
    `${paths.length} x ${megabytes} MB of ${dtype}, medians of ${runs}; ${availableParallelism()} processors, load ${loadavg()[0]!.toFixed(1)}`,
  );
  console.log(`plain reads  ${show(read)}`);
  console.log(
    `Gram matrix  ${show(ours)}, ${((100 * read.wall) / ours.wall).toFixed(0)} % of plain reads ` +
      `(${((100 * read.cpu) / ours.cpu).toFixed(0)} % in CPU)`,
  );
  if (theirs.length === 0) {
    console.log(`${options.python} has no numpy and safetensors: no peer to compare with`);
    return;
  }
  const peer = medians(theirs);
  const rss = Math.max(...theirs.map((result) => result.rss));
  const off = Math.abs(theirs[0]!.corner / corner - 1);
  console.log(
    `NumPy        ${show(peer)}, peak RSS ${rss.toFixed(0)} MB; ours is ${(peer.wall / ours.wall).toFixed(1)} times as ` +
      `fast (${(peer.cpu / ours.cpu).toFixed(1)} in CPU), and differs by ${off.toExponential(0)}`,
  );
}

function floatType(text: string): FloatDType {
  if (!isDType(text) || !isFloat(text))
    throw new Error('--dtype is one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2.');
  return text;
}

/** Checkpoints of one run: a common part and one of their own. */
async function makeFile(index: number): Promise<string> {
  const size = bytesPerElement(dtype);
  // Twenty tensors, as a model has many.
  const elements = Math.floor((megabytes * 1e6) / 20 / size);
  const entries: Record<string, unknown> = {};
  for (let t = 0; t < 20; t++) {
    const begin = t * elements * size;
    entries[`layer.${t}`] = { dtype, shape: [elements], data_offsets: [begin, begin + elements * size] };
  }
  const text = JSON.stringify(entries);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const values = new Float64Array(CHUNK / size);
  for (let i = 0; i < values.length; i++) values[i] = Math.sin(i) + 0.1 * (2 * Math.random() - 1);
  const sample = new Uint8Array(CHUNK);
  encodeFromFloat64(values, dtype, sample);
  const path = join(directory, `epoch-${index}.safetensors`);
  const handle = await open(path, 'wx');
  await handle.write(Buffer.concat([prefix, json]));
  for (let left = 20 * elements * size; left > 0; left -= CHUNK) {
    await handle.write(sample, 0, Math.min(left, CHUNK));
  }
  // So that writing them back does not disturb what is measured.
  await handle.sync();
  await handle.close();
  return path;
}

async function readAll(paths: readonly string[]): Promise<void> {
  const buffer = new Uint8Array(CHUNK);
  for (const path of paths) {
    const handle = await open(path, 'r');
    let position = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) break;
      position += bytesRead;
    }
    await handle.close();
  }
}

async function hasNumpy(): Promise<boolean> {
  try {
    await promisify(execFile)(options.python, ['-c', 'import numpy, safetensors.numpy']);
    return true;
  } catch {
    return false;
  }
}

/** In a process of its own, so that its memory is its own. */
async function runNumpy(paths: readonly string[]): Promise<PeerResult> {
  const { stdout } = await promisify(execFile)(options.python, [
    join(import.meta.dirname, 'gram.py'),
    ...paths,
  ]);
  return JSON.parse(stdout) as PeerResult;
}

/** Seconds. */
interface Times {
  readonly wall: number;
  readonly cpu: number;
}

interface PeerResult extends Times {
  /** MB, at its peak. */
  readonly rss: number;
  /** The first entry of the matrix. */
  readonly corner: number;
}

async function timed(work: () => Promise<void>): Promise<Times> {
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

function medians(times: readonly Times[]): Times {
  return { wall: median(times.map((time) => time.wall)), cpu: median(times.map((time) => time.cpu)) };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
