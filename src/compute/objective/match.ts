/** Pairs a model's weights with a checkpoint's tensors by name. */
import { isFloat } from '../../core/checkpoints/dtype.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { ModelWeight } from './model.ts';

/**
 * Throws a TwaError 'mismatch' that lists every difference. Integer and boolean tensors that the model does not know
 * (step counters, say) are no difference: they are copied, not averaged.
 */
export function requireMatch(weights: readonly ModelWeight[], header: CheckpointHeader): void {
  const tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const known = new Set(weights.map(({ name }) => name));
  const details: string[] = [];
  for (const { name, variable } of weights) {
    const tensor = tensors.get(name);
    const wanted = `[${variable.shape.join(', ')}]`;
    if (tensor === undefined) {
      details.push(`The model has ${name} ${wanted}, the checkpoint has not.`);
    } else if (tensor.shape.join() !== variable.shape.join()) {
      details.push(`${name} is ${wanted} in the model and [${tensor.shape.join(', ')}] in the checkpoint.`);
    } else if (!isFloat(tensor.dtype)) {
      details.push(`${name} is ${tensor.dtype} in the checkpoint: only floating-point weights can be mixed.`);
    }
  }
  for (const { name, shape, dtype } of header.tensors) {
    if (known.has(name) || !isFloat(dtype)) continue;
    details.push(`The checkpoint has ${name} [${shape.join(', ')}], the model has not.`);
  }
  if (details.length === 0) return;
  throw new TwaError(
    'mismatch',
    `The task's model is not the one in ${header.path}: ${details[0]!}` +
      (details.length > 1 ? ` There are ${details.length} differences in all.` : ''),
    { place: { path: header.path }, details },
  );
}
