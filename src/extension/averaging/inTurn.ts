/** A series of questions, each with a way back to the one before. No VS Code here. */
import type { Step } from '../dialogs.ts';

/** What is known after this question, undefined where the user went back or away (`step.back` was called, or not). */
export type Question<S> = (known: S, step: Step) => Promise<S | undefined>;

/**
 * Asks one after another; going back finds what was known before. Undefined where the user turns away.
 * @param questionsOf all of them, as they follow from what is known: an answer may add some after it
 * @param outer the step that these questions are part of: from the first of them, `outer.back` leads out
 */
export async function inTurn<S>(
  questionsOf: (known: S) => readonly Question<S>[],
  start: S,
  outer?: Step,
): Promise<S | undefined> {
  const answered = [start];
  for (let at = 0; ;) {
    const known = answered[at]!;
    const questions = questionsOf(known);
    const question = questions[at];
    if (question === undefined) return known;
    let wentBack = false as boolean;
    const back =
      at > 0 || outer?.back !== undefined
        ? {
            back: () => {
              wentBack = true;
            },
          }
        : {};
    const next = await question(known, { at: at + 1, of: questions.length, ...back });
    if (next !== undefined) answered[++at] = next;
    else if (!wentBack) return undefined;
    else if (at > 0) at--;
    else {
      outer?.back?.();
      return undefined;
    }
  }
}
