/** Einstein summation, which the wasm backend lacks. */
import { einsumByProducts, parseEquation } from '../../einsum.ts';
import { tf } from '../../tf.ts';
import type { Kernel } from './kernel.ts';

export const einsum: Kernel = ({ inputs, attrs }) =>
  // A copy in name only: the result must not be one of the operands.
  tf.tidy(() =>
    tf.clone(einsumByProducts(parseEquation(attrs['equation'] as string), Object.values(inputs))),
  );
