/** A rule whose mix is brought back to the simplex after every step: projected gradients in the space of coefficients. */
import { projectToSimplex } from '../simplex.ts';
import type { Rule } from './rule.ts';

export function onSimplex<State>(rule: Rule<State>): Rule<State> {
  return {
    ...rule,
    // Coordinates and back is exact to rounding only.
    coefficients: (state) => projectToSimplex(rule.coefficients(state)),
    update(state, gradient, learningRate) {
      const next = rule.update(state, gradient, learningRate);
      return rule.moveTo(next, projectToSimplex(rule.coefficients(next)));
    },
  };
}
