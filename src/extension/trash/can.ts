import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';

/** The system's own trash: a seam, because a test must not fill it. */
export interface TrashCan {
  /** Why there is none, as a sentence; undefined where there is one. */
  readonly missing: () => string | undefined;
  /** Moves a file, or a directory with everything in it. */
  readonly move: (at: string) => Promise<void>;
}

export const systemTrash: TrashCan = {
  missing: () =>
    vscode.env.remoteName === undefined
      ? undefined
      : l10n.t(
          'VS Code has no trash on a remote machine ({0}): nothing was deleted. Delete what you do not need in a terminal there.',
          vscode.env.remoteName,
        ),
  move: async (at) => {
    // Where the file system has no trash this is refused; it never falls back to deleting.
    await vscode.workspace.fs.delete(vscode.Uri.file(at), { recursive: true, useTrash: true });
  },
};
