/** What became of the optimizer's state in an average. The optimizer knows nothing of averages, so the user is told. */
import type { CheckpointHeader } from './types.ts';

/** How many names a sentence lists. */
const LISTED = 6;

/** @param newest whose state it would be. Undefined where there is nothing to say. */
export function optimizerNote({ optimizer = [] }: CheckpointHeader, dropped: boolean): string | undefined {
  if (optimizer.length === 0) return dropped ? 'There was no optimizer state to leave out.' : undefined;
  const more = optimizer.length > LISTED ? ` and ${optimizer.length - LISTED} more` : '';
  const names = optimizer.slice(0, LISTED).join(', ') + more;
  return dropped
    ? `Optimizer state was left out (${names}).`
    : `Optimizer state is that of the newest checkpoint, not averaged (${names}); --drop-optimizer leaves it out.`;
}
