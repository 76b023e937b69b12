/** The last check before a result is reported: the file on disk is read afresh and evaluated like any checkpoint. */
import { score } from '../../core/averaging/summary.ts';
import type { PassResult } from '../../core/averaging/types.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { evaluateFile, type Engine } from '../engine.ts';

/**
 * Largest difference between the loss of the file and that of the mix in memory: the two were rounded to float32 in
 * different places, which moves a loss by some 1e-6 of itself; a wrong tensor moves it by much more.
 */
const RELATIVE = 1e-3;
const ABSOLUTE = 1e-5;

/** Gives a note for the report. Throws when a file in full precision does not evaluate to what was found in memory. */
export async function readBack(
  output: string,
  engine: Engine,
  result: PassResult,
  signal: AbortSignal,
): Promise<string> {
  const header = await requireComplete(output, signal);
  const evaluation = await evaluateFile(engine, header, 'report', signal);
  const written = score(evaluation, result.metric.name);
  const expected = result.table.find(({ id }) => id === result.method);
  if (expected === undefined) throw new Error(`The result has no row for ${result.method}.`);
  const difference = Math.abs(written.loss - expected.loss);
  const agrees =
    Object.is(written.loss, expected.loss) || difference <= RELATIVE * Math.abs(expected.loss) + ABSOLUTE;
  const found = `loss ${written.loss.toPrecision(5)}, ${result.metric.name} ${written.metric.toPrecision(5)}`;
  const rounded = header.tensors.some(
    ({ dtype }) => dtype === 'F16' || dtype === 'BF16' || dtype.startsWith('F8'),
  );
  if (!agrees && !rounded) {
    throw new Error(
      `The written checkpoint evaluates to ${found}, the mix in memory to loss ${expected.loss.toPrecision(5)}. ` +
        'It was removed; please report this.',
    );
  }
  return agrees
    ? `The written checkpoint was read back and evaluated: ${found}, as in memory.`
    : `The written checkpoint was read back and evaluated: ${found}; the table is of the mix before it was rounded ` +
        'to the precision of the file.';
}
