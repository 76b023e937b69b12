/** What the user's own commands said, remembered in the workspace by the path of the merged checkpoint. */
import type * as vscode from 'vscode';
import type { OwnEvaluation } from '../../../webview/protocol.ts';
import { arrayOf, narrower, number, object, recordOf, string } from '../../../webview/shared/narrow.ts';

const KEY = 'ownEvaluations';
/** Of one checkpoint, and of checkpoints: memory of the editor, no archive. */
const MOST = { each: 20, outputs: 100 };

const stored = narrower(
  recordOf(
    arrayOf(object({ command: string, directory: string, value: number, at: string, milliseconds: number })),
  ),
);

export class OwnEvaluations {
  readonly #memory: vscode.Memento;

  constructor(memory: vscode.Memento) {
    this.#memory = memory;
  }

  /** Newest first. */
  of(output: string): readonly OwnEvaluation[] {
    return this.#all()[output] ?? [];
  }

  async add(output: string, evaluation: OwnEvaluation): Promise<void> {
    const { [output]: before = [], ...others } = this.#all();
    const kept = Object.entries(others).slice(-MOST.outputs + 1);
    const now = [evaluation, ...before].slice(0, MOST.each);
    await this.#memory.update(KEY, Object.fromEntries([...kept, [output, now]]));
  }

  #all(): Readonly<Record<string, readonly OwnEvaluation[]>> {
    return stored(this.#memory.get(KEY)) ?? {};
  }
}
