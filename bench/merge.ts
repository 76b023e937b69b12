/**
 * How fast checkpoints are merged, against plain reads of the same bytes in the same run.
 *
 *     node bench/merge.ts [--files 5] [--megabytes 200] [--dtype F32|BF16|F16|F64] [--format safetensors|pt]
 *         [--runs 3] [--directory /tmp] [--python python3] [--no-peers]
 *
 * Makes that many files, merges them uniformly, and prints MB/s of source bytes, the ratio to positioned reads into one
 * reused buffer, the parts (hashing, mixing) alone, and peak RSS. `merge` computes the SHA-256 of every source, `again`
 * finds them remembered (see `digests.ts`). Files come from the page cache unless they are larger than memory: the ratio
 * then shows the cost of everything but the disk. Medians of the runs. Where that Python has torch and safetensors, what
 * people use today (`peers.py`) averages the same files in the same runs; it neither hashes its sources nor makes sure
 * that the result is on the disk, as a merge does. The clock tells little on a busy machine; processor time tells more.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';

import { bytesPerElement, encodeFromFloat64, isDType, isFloat } from '../src/core/checkpoints/dtype.ts';
import { DigestRecords } from '../src/core/checkpoints/digests.ts';
import { mergeCheckpoints } from '../src/core/checkpoints/merge.ts';
import { partialPathFor } from '../src/core/checkpoints/publish.ts';
import { requireComplete } from '../src/core/checkpoints/registry.ts';
import type { FloatDType } from '../src/core/checkpoints/types.ts';
import { sharedMemory } from '../src/core/kernels/assembler.ts';
import { isMixDType, mixLoops, TABLE_ENTRY } from '../src/core/kernels/mix.ts';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '200' },
    dtype: { type: 'string', default: 'F32' },
    format: { type: 'string', default: 'safetensors' },
    runs: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
    python: { type: 'string', default: 'python3' },
    'no-peers': { type: 'boolean', default: false },
  },
});
const files = Number(options.files);
const megabytes = Number(options.megabytes);
const runs = Number(options.runs);
const dtype = floatType(options.dtype);
const extension = options.format === 'pt' ? 'pt' : 'safetensors';
if (!(files >= 1) || !(megabytes >= 1) || !(runs >= 1)) {
  throw new Error('--files, --megabytes and --runs are numbers from 1 on.');
}

const CHUNK = 4 << 20;
const PEERS = ['timm', 'mean'] as const;
type Peer = (typeof PEERS)[number];
const directory = await mkdtemp(join(options.directory, 'twa-bench-'));
try {
  const paths: string[] = [];
  for (let i = 0; i < files; i++) {
    const path = join(directory, `epoch-${i}.safetensors`);
    await makeFile(path);
    paths.push(extension === 'pt' ? await saveByTorch(path) : path);
  }
  const records = new DigestRecords(join(directory, 'digests.json'), 0);
  const sourceBytes = files * megabytes * 1e6;

  const rssBefore = peakRss();
  const reading: Times[] = [];
  const merging: Times[] = [];
  const again: Times[] = [];
  const compare = !options['no-peers'] && (await hasTorch());
  const peers = new Map<Peer, PeerTimes[]>(compare ? PEERS.map((peer) => [peer, []]) : []);
  for (let run = 0; run < runs; run++) {
    reading.push(await timed(() => readAll(paths)));
    const output = join(directory, `mix-${run}.${extension}`);
    merging.push(await timed(() => merge(paths, output)));
    await rm(output);
    if (run === 0) {
      await merge(paths, output, records);
      await rm(output);
    }
    again.push(await timed(() => merge(paths, output, records)));
    await rm(output);
    for (const [peer, times] of peers) {
      times.push(await runPeer(peer, paths, output));
      await rm(output);
    }
  }
  const read = medians(reading);
  const merged = medians(merging);
  const remembered = medians(again);
  const rss = peakRss();
  const show = ({ wall, cpu }: Times): string =>
    `${(sourceBytes / 1e6 / wall).toFixed(0)} MB/s (${wall.toFixed(2)} s, ${cpu.toFixed(2)} s of CPU)`;
  console.log(
    `${files} x ${megabytes} MB of ${dtype} in .${extension}, medians of ${runs}; ${availableParallelism()} processors, load ${loadavg()[0]!.toFixed(1)}`,
  );
  console.log(`plain reads  ${show(read)}`);
  for (const [name, times] of [
    ['merge', merged],
    ['again', remembered],
  ] as const) {
    const share = (100 * read.wall) / times.wall;
    console.log(`${name.padEnd(12)} ${show(times)}, ${share.toFixed(0)} % of plain reads`);
  }
  if (peers.size === 0 && !options['no-peers'])
    console.log(`${options.python} has no torch and safetensors: no peers to compare with`);
  for (const [peer, times] of peers) {
    const theirs = medians(times);
    const most = Math.max(...times.map((time) => time.rss));
    console.log(
      `${`torch, ${peer}`.padEnd(12)} ${show(theirs)}, peak RSS ${most.toFixed(0)} MB; the merge is ` +
        `${faster(theirs, merged)}, again ${faster(theirs, remembered)}`,
    );
  }
  console.log(`CPU alone    SHA-256 ${hashRate().toFixed(0)} MB/s, mixing ${mixRate().toFixed(0)} MB/s`);
  console.log(
    `peak RSS     ${rss.toFixed(0)} MB, of which ${rssBefore.toFixed(0)} MB before the first merge`,
  );
} finally {
  await rm(directory, { recursive: true, force: true });
}

function floatType(text: string): FloatDType {
  if (!isDType(text) || !isFloat(text))
    throw new Error('--dtype is one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2.');
  return text;
}

/** Random mantissas, ordinary exponents: real weights are no zeros, and no NaN. */
function sampleBytes(): Uint8Array {
  const values = new Float64Array(CHUNK / bytesPerElement(dtype));
  for (let i = 0; i < values.length; i++) values[i] = 2 * Math.random() - 1;
  const bytes = new Uint8Array(CHUNK);
  encodeFromFloat64(values, dtype, bytes);
  return bytes;
}

async function makeFile(path: string): Promise<void> {
  const size = bytesPerElement(dtype);
  // Twenty tensors, as a model has many.
  const elements = Math.floor((megabytes * 1e6) / 20 / size);
  const entries: Record<string, unknown> = {};
  for (let t = 0; t < 20; t++) {
    const begin = t * elements * size;
    entries[`layer.${t}`] = { dtype, shape: [elements], data_offsets: [begin, begin + elements * size] };
  }
  const text = JSON.stringify(entries);
  // Spaces, so that the data is aligned as the reference implementation wants it.
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  const sample = sampleBytes();
  const handle = await open(path, 'wx');
  await handle.write(Buffer.concat([prefix, json]));
  for (let left = 20 * elements * size; left > 0; left -= CHUNK) {
    await handle.write(sample, 0, Math.min(left, CHUNK));
  }
  // So that writing them back does not disturb what is measured.
  await handle.sync();
  await handle.close();
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

async function merge(paths: readonly string[], output: string, digests?: DigestRecords): Promise<void> {
  const headers = await Promise.all(paths.map((path) => requireComplete(path)));
  const coefficients = headers.map(() => 1 / headers.length);
  const partial = partialPathFor(output);
  await mergeCheckpoints({
    headers,
    coefficients,
    output,
    partial,
    ...(digests === undefined ? {} : { digests }),
  });
}

function faster(theirs: Times, ours: Times): string {
  return `${(theirs.wall / ours.wall).toFixed(1)} times as fast (${(theirs.cpu / ours.cpu).toFixed(1)} in CPU)`;
}

/** The same tensors by torch.save; the safetensors file makes room for it. */
async function saveByTorch(path: string): Promise<string> {
  const saved = path.replace(/safetensors$/, 'pt');
  await promisify(execFile)(options.python, [join(import.meta.dirname, 'peers.py'), 'save', saved, path]);
  await rm(path);
  return saved;
}

async function hasTorch(): Promise<boolean> {
  try {
    await promisify(execFile)(options.python, ['-c', 'import torch, safetensors.torch']);
    return true;
  } catch {
    return false;
  }
}

/** In a process of its own, so that its memory is its own. */
async function runPeer(peer: Peer, paths: readonly string[], output: string): Promise<PeerTimes> {
  const script = join(import.meta.dirname, 'peers.py');
  const { stdout } = await promisify(execFile)(options.python, [script, peer, output, ...paths]);
  return JSON.parse(stdout) as PeerTimes;
}

function hashRate(): number {
  const bytes = sampleBytes();
  const hash = createHash('sha256');
  return cpuRate(bytes.length, () => hash.update(bytes));
}

/** The loop alone, over chunks as a merge has them. */
function mixRate(): number {
  if (!isMixDType(dtype)) return NaN;
  const chunk = 1 << 20;
  const memory = sharedMemory((files + 2) * chunk);
  const table = new DataView(memory.buffer);
  for (let i = 0; i < files; i++) {
    new Uint8Array(memory.buffer, (i + 1) * chunk, chunk).set(sampleBytes().subarray(0, chunk));
    table.setFloat64(i * TABLE_ENTRY, 1 / files, true);
    table.setUint32(i * TABLE_ENTRY + 8, (i + 1) * chunk, true);
  }
  const loop = mixLoops(memory)[dtype];
  const work = () => loop(0, files * TABLE_ENTRY, chunk, (files + 1) * chunk);
  // V8 needs some calls to compile it well.
  cpuRate(files * chunk, work);
  return cpuRate(files * chunk, work);
}

/** MB per second of processor time: on a busy machine the clock tells little about a loop. */
function cpuRate(bytes: number, work: () => void): number {
  const times = 50;
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) work();
  const { user, system } = process.cpuUsage(before);
  return (times * bytes) / (user + system);
}

/** MB. */
function peakRss(): number {
  return process.resourceUsage().maxRSS / 1024;
}

/** Seconds. */
interface Times {
  readonly wall: number;
  readonly cpu: number;
}

interface PeerTimes extends Times {
  /** MB, at its peak. */
  readonly rss: number;
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
