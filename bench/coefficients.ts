/**
 * The two products over all checkpoints, w = sum a_i w_i and g_i = <w_i, dL/dw>, against what this machine's memory gives:
 * a loop that only reads the same bytes, measured in the same run, in turn with them; for every way of keeping the
 * checkpoints in memory.
 *
 *     node bench/coefficients.ts [--n 20] [--size 270000]... [--rounds 15] [--threads 1]
 *
 * Bytes are those that are kept: n differences and their mean in float32. Prints GB/s by processor time (the best of the
 * rounds, as other work on the machine only takes away), and their share of the reading; then GB/s by the clock, where the
 * second thread shows, and milliseconds.
 */
import { parseArgs } from 'node:util';
import {
  assemble,
  doWhile,
  get,
  i32,
  Registers,
  set,
  sharedMemory,
  v128,
} from '../src/core/kernels/assembler.ts';
import { secondThread } from '../src/compute/objective/second-thread.ts';
import {
  allocateRounded,
  allocateRows,
  roundedRowLoops,
  roundInto,
  simdRowLoops,
} from '../src/compute/objective/simd-rows.ts';

const { values: options } = parseArgs({
  options: {
    n: { type: 'string', default: '20' },
    size: { type: 'string', multiple: true, default: ['270000', '11000000', '25000000'] },
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: '2' },
  },
});
const n = Number(options.n);

const thread = secondThread();
while (thread?.ready === false) await new Promise((resolve) => setTimeout(resolve, 10));
if (thread !== undefined && options.threads === '1') Object.defineProperty(thread, 'ready', { value: false });
console.log(`n = ${n}, Node ${process.version}`);
console.log(
  '| parameters | kept as | read only GB/s | mix GB/s (share) | project GB/s (share) | mix by the clock | project by the clock |',
);
console.log('|---|---|---|---|---|---|---|');
for (const size of options.size.map(Number)) {
  for (const format of ['f32', 'bf16', 'int8'] as const) measure(size, format);
}

function measure(size: number, format: 'f32' | 'bf16' | 'int8'): void {
  const tensor = allocateRows(n, [size])[0]!;
  for (const [i, row] of tensor.rows.entries()) row.fill(0.001 * (i + 1));
  tensor.mean.fill(1);
  const rounded = format === 'f32' ? undefined : allocateRounded(n, [size], format)[0]!;
  if (rounded !== undefined) roundInto(rounded, tensor);
  const { mean, rows } = rounded ?? tensor;
  const bytes = [mean, ...rows].reduce((sum, { byteLength }) => sum + byteLength, 0);
  // As many bytes in a memory of its own.
  const memory = sharedMemory(bytes + 64);
  new Float32Array(memory.buffer).fill(1);
  const read = readingLoop(memory);
  const coefficients = new Float64Array(n).fill(1 / n);
  const out = new Float32Array(size);
  const gradient = new Float32Array(size).fill(0.5);
  const into = new Float64Array(n);
  const work = {
    read: () => void read(0, bytes),
    mix: () =>
      rounded === undefined
        ? simdRowLoops.combine(tensor, coefficients, out)
        : roundedRowLoops.combine(rounded, coefficients, out),
    project: () =>
      rounded === undefined
        ? simdRowLoops.project(tensor, gradient, into)
        : roundedRowLoops.project(rounded, gradient, into),
  };
  const best = { read: Infinity, mix: Infinity, project: Infinity };
  const clock = { ...best };
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const kind of ['read', 'mix', 'project'] as const) {
      const start = performance.now();
      best[kind] = Math.min(best[kind], timed(work[kind]));
      clock[kind] = Math.min(clock[kind], performance.now() - start);
    }
  }
  const speed = (kind: keyof typeof best): number => bytes / best[kind] / 1e6;
  const share = (kind: keyof typeof best): string =>
    `${speed(kind).toFixed(1)} (${((100 * best.read) / best[kind]).toFixed(0)} %)`;
  const byClock = (kind: keyof typeof best): string =>
    `${(bytes / clock[kind] / 1e6).toFixed(1)} GB/s, ${clock[kind].toFixed(2)} ms`;
  const cells = [
    format,
    speed('read').toFixed(1),
    share('mix'),
    share('project'),
    byClock('mix'),
    byClock('project'),
  ];
  console.log(`| ${size} | ${cells.join(' | ')} |`);
}

/** Milliseconds of processor time. */
function timed(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Reads 64 bytes at a time and does next to nothing with them. */
function readingLoop(memory: WebAssembly.Memory): (from: number, end: number) => number {
  const registers = new Registers(['i32', 'i32']);
  const [from, end] = [0, 1];
  const all = [0, 1, 2, 3].map(() => registers.variable());
  const module = assemble([
    {
      name: 'read',
      registers,
      result: 'i32',
      body: [
        ...doWhile(
          i32.ltU(get(from), get(end)),
          ...all.map((some, k) => set(some, v128.or(get(some), v128.load(16 * k, get(from))))),
          set(from, i32.add(get(from), i32.const(64))),
        ),
        ...v128.anyTrue(all.map(get).reduce((a, b) => v128.or(a, b))),
      ],
    },
  ]);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports['read']!;
}
