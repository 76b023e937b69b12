/** SIMD inner products of float32 rows with one float64 vector, in float64. */
import { assemble, doWhile, f64, f64x2, get, i32, Registers, set, v128, type Code } from './assembler.ts';

/** Elements are taken this many at a time. */
export const DOT_LANES = 8;

/**
 * Adds to the float64 at `into` the inner product of the float32 at `row` and the float64 at `vector`. All are
 * addresses; `bytes` is the length of the row, a positive multiple of {@link DOT_LANES} elements.
 */
export type Dot = (row: number, vector: number, bytes: number, into: number) => number;

function dotFunction() {
  const registers = new Registers(['i32', 'i32', 'i32', 'i32']);
  const [row, vector, bytes, into] = [0, 1, 2, 3];
  const at = registers.variable('i32');
  const sums = Array.from({ length: DOT_LANES / 2 }, () => registers.variable());
  const x = (k: number): Code => f64x2.promoteLowF32x4(v128.load64Zero(8 * k, i32.add(get(row), get(at))));
  const y = (k: number): Code => v128.load(16 * k, i32.add(get(vector), i32.add(get(at), get(at))));
  const total = sums.map(get).reduce((a, b) => f64x2.add(a, b));
  const result = registers.variable();
  return {
    name: 'dot',
    registers,
    body: [
      ...doWhile(
        i32.ltU(get(at), get(bytes)),
        ...sums.map((sum, k) => set(sum, f64x2.add(get(sum), f64x2.mul(x(k), y(k))))),
        set(at, i32.add(get(at), i32.const(4 * DOT_LANES))),
      ),
      ...set(result, total),
      ...f64.store(
        0,
        get(into),
        f64.add(
          f64.load(0, get(into)),
          f64.add(f64x2.extractLane(0, get(result)), f64x2.extractLane(1, get(result))),
        ),
      ),
    ],
  };
}

let compiled: WebAssembly.Module | undefined;

export function dotLoop(memory: WebAssembly.Memory): Dot {
  compiled ??= assemble([dotFunction()]);
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports['dot']!;
}
