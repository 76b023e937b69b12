/** Fitted coefficients without the checkpoints that nobody would miss. */
import { overallCoefficients } from './blocks.ts';
import { look, type Judge, type JudgedMix } from './judge.ts';
import { enough } from './select.ts';
import { isWorse } from './summary.ts';

/**
 * The fewest checkpoints, those with the largest coefficients, whose mix (with the same sum of coefficients) is not
 * worse on the stop split by more than one standard error. Found by bisection, so in log2(n) evaluations.
 */
export async function sparsified(
  judge: Judge,
  mix: JudgedMix,
  names: readonly string[],
): Promise<{ readonly mix: JudgedMix; readonly note: string }> {
  const n = names.length;
  const { blocks, metric } = judge.objective;
  const weight = overallCoefficients(mix.coefficients.map(Math.abs), n, blocks);
  const order = [...weight.keys()].sort((a, b) => weight[b]! - weight[a]!);
  // What has no share at all is out already.
  let enoughSoFar = order.filter((index) => weight[index]! > 0).length;
  let best = mix;
  let tooFew = 0;
  while (enoughSoFar - tooFew > 1) {
    const count = (tooFew + enoughSoFar) >> 1;
    const coefficients = only(mix.coefficients, n, new Set(order.slice(0, count)));
    const tried = coefficients && { coefficients, stop: await look(judge, coefficients, 'stop') };
    if (tried === undefined || isWorse(tried.stop, mix.stop, metric)) tooFew = count;
    else {
      enoughSoFar = count;
      best = tried;
    }
  }
  const kept = order.slice(0, enoughSoFar).sort((a, b) => a - b);
  return { mix: best, note: enough(kept, names, best.stop, mix.stop, { ...judge, selection: 'stop' }) };
}

/** Undefined where the rest sums to nothing and so cannot be scaled to the sum of all. */
function only(coefficients: Float64Array, n: number, kept: ReadonlySet<number>): Float64Array | undefined {
  const result = new Float64Array(coefficients.length);
  for (let begin = 0; begin < coefficients.length; begin += n) {
    const block = coefficients.subarray(begin, begin + n);
    const sum = block.reduce((total, value) => total + value, 0);
    const rest = block.reduce((total, value, i) => total + (kept.has(i) ? value : 0), 0);
    if (Math.abs(rest) < 1e-3 * Math.abs(sum)) return undefined;
    for (const i of kept) result[begin + i] = (block[i]! * sum) / rest;
  }
  return result;
}
