/**
 * Matrix product. The wasm backend hands only untransposed products to XNNPACK; with `transposeA` or `transposeB`,
 * which every gradient of a matrix product has, it runs a scalar triple loop. Transposing first is a small copy.
 */
import { tf } from '../../tf.ts';
import type { Tensor } from '../../tf.ts';
import type { Reroute } from './kernel.ts';

export const batchMatMul: Reroute = (original) => (call) => {
  const { transposeA, transposeB } = call.attrs;
  if (transposeA !== true && transposeB !== true) return original(call);
  const a = call.inputs['a']!;
  const b = call.inputs['b']!;
  const inputs = { a: transposeA === true ? transposed(a) : a, b: transposeB === true ? transposed(b) : b };
  const product = original({ ...call, inputs, attrs: { transposeA: false, transposeB: false } });
  if (inputs.a !== a) inputs.a.dispose();
  if (inputs.b !== b) inputs.b.dispose();
  return product;
};

function transposed(matrices: Tensor): Tensor {
  const axes = matrices.shape.map((_, axis) => axis);
  const last = axes.length - 1;
  return tf.transpose(matrices, [...axes.slice(0, last - 1), last, last - 1]);
}
