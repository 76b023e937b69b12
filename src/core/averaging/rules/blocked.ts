/** One rule per block of parameters, each with its own Gram matrix, stepping together. */
import { ofBlock } from '../blocks.ts';
import type { Rule } from './rule.ts';

/**
 * @param rules one per block, for n checkpoints
 * @param scales what the learning rate is multiplied by in each block
 */
export function blocked<State>(
  rules: readonly Rule<State>[],
  n: number,
  scales: readonly number[],
): Rule<readonly State[]> {
  const [first] = rules;
  if (first === undefined) throw new Error('There are no blocks.');
  const all = (parts: readonly Float64Array[]): Float64Array => {
    const joined = new Float64Array(parts.length * n);
    for (const [block, part] of parts.entries()) joined.set(part, block * n);
    return joined;
  };
  return {
    init: (coefficients) => rules.map((rule, block) => rule.init(ofBlock(coefficients, n, block))),
    update: (states, gradient, learningRate) =>
      rules.map((rule, block) =>
        rule.update(states[block]!, ofBlock(gradient, n, block), learningRate * scales[block]!),
      ),
    coefficients: (states) => all(rules.map((rule, block) => rule.coefficients(states[block]!))),
    moveTo: (states, coefficients) =>
      rules.map((rule, block) => rule.moveTo(states[block]!, ofBlock(coefficients, n, block))),
    schedule: (at) => first.schedule(at),
    /** The lowest: what is too fast for one block makes the loss rise for all. Frozen blocks do not count. */
    learningRate({ gradients, steps }) {
      const rates = rules.map((rule, block) => {
        const ofRule = rule.learningRate({
          gradients: gradients.map((one) => ofBlock(one, n, block)),
          steps,
        });
        return ofRule / scales[block]!;
      });
      return Math.min(...rates.filter((rate) => rate > 0));
    },
  };
}
