import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { TwaError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Dialogs } from './dialogs.ts';

/** Files that a person wrote and can mend in an editor. */
const EDITABLE: ReadonlySet<ErrorCode> = new Set(['bad-task', 'bad-data', 'bad-metrics']);
const CANCELLED_SHOWN_MS = 4000;

/**
 * One sentence for the user, with buttons that lead on; everything that is known in the log. Does not wait for the
 * user. What is not a TwaError is a defect of ours and says so.
 */
export function reportError(error: unknown, log: vscode.LogOutputChannel, dialogs: Dialogs): void {
  if (isCancelled(error)) {
    log.info('Cancelled.');
    vscode.window.setStatusBarMessage(l10n.t('TWA: cancelled'), CANCELLED_SHOWN_MS);
    return;
  }
  const known = error instanceof TwaError ? error : undefined;
  if (known === undefined) log.error(error instanceof Error ? error : String(error));
  else log.error([known.message, ...known.details].join('\n  '));
  if (known?.cause !== undefined) log.debug(textOf(known.cause));

  const openFile =
    known?.place.path === undefined || !EDITABLE.has(known.code)
      ? undefined
      : known.code === 'bad-task'
        ? l10n.t('Open Task File')
        : l10n.t('Open File');
  const showLog = l10n.t('Show Log');
  const shown = dialogs.notify(
    'error',
    known === undefined
      ? l10n.t('Something went wrong in the extension itself: {0}', textOf(error))
      : sentence(known),
    openFile === undefined ? [showLog] : [openFile, showLog],
  );
  shown
    .then(async (button) => {
      if (button === showLog) log.show();
      else if (button !== undefined && known !== undefined) await openAt(known);
    })
    .catch((failure: unknown) => log.error(textOf(failure)));
}

export function isCancelled(error: unknown): boolean {
  return (
    error instanceof vscode.CancellationError || (error instanceof TwaError && error.code === 'cancelled')
  );
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sentence(error: TwaError): string {
  const [first, ...more] = error.details;
  if (first === undefined) return error.message;
  return more.length === 0
    ? `${error.message} ${first}`
    : l10n.t('{0} {1} (and {2} more: see the log)', error.message, first, more.length);
}

async function openAt({ place }: TwaError): Promise<void> {
  if (place.path === undefined) return;
  const at = new vscode.Position((place.line ?? 1) - 1, (place.column ?? 1) - 1);
  await vscode.window.showTextDocument(vscode.Uri.file(place.path), { selection: new vscode.Range(at, at) });
}
