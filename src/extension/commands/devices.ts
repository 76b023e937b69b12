import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import type { BackendChoice, DevicesResult } from '../../compute/protocol.ts';
import { writeSetting } from '../api.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import { requireTrust } from '../trust.ts';

/** Tries every backend in a child process, shows which work and why others do not; picking one sets `twa.backend`. */
export async function showDevices(
  jobs: JobQueue,
  dialogs: Dialogs,
  log: vscode.LogOutputChannel,
): Promise<void> {
  // The native backend is a module that the project may have installed.
  requireTrust(l10n.t('Trust this workspace to look for compute devices: that may load its modules.'));
  const title = l10n.t('Looking for compute devices');
  const folder = vscode.workspace.workspaceFolders?.[0];
  const job = jobs.add(title, ({ signal }) =>
    runJob(
      'devices',
      {},
      {
        signal,
        onLog: (level, text) => log[level](text),
        ...(folder?.uri.scheme === 'file' ? { cwd: folder.uri.fsPath } : {}),
      },
    ),
  );
  const found = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (_, token) => {
      token.onCancellationRequested(() => job.cancel());
      return job.result;
    },
  );
  for (const { name, usable, detail, reason } of found.devices) {
    log.info(`${name}: ${usable ? detail : (reason ?? 'not usable')}`);
  }
  const chosen = await dialogs.pickOne(deviceOptions(found), {
    title: l10n.t('Compute Devices'),
    placeholder: l10n.t('Choose one to use from now on'),
  });
  if (chosen === 'set up') await vscode.commands.executeCommand('twa.setUpGpu');
  else if (chosen !== undefined) await writeSetting('backend', chosen, vscode.ConfigurationTarget.Global);
}

type Choice = BackendChoice | 'set up' | undefined;

function deviceOptions({ chosen, devices }: DevicesResult): readonly Option<Choice>[] {
  return [
    {
      label: '$(sparkle) auto',
      description: chosen ?? l10n.t('nothing works here'),
      detail: l10n.t('The fastest one that works.'),
      value: 'auto',
    },
    ...devices.map(({ name, usable, detail, reason, selfTestMs }) => ({
      label: `${usable ? '$(pass)' : '$(circle-slash)'} ${name}`,
      description: usable ? detail : l10n.t('not usable here'),
      detail: usable
        ? selfTestMs === undefined
          ? ''
          : l10n.t('Gradients checked in {0} ms.', Math.round(selfTestMs))
        : (reason ?? ''),
      value: usable ? name : undefined,
    })),
    ...(devices.some(({ gpu }) => gpu)
      ? []
      : [
          {
            label: l10n.t('$(rocket) Set Up GPU...'),
            description: '',
            detail: l10n.t(
              'Looks for the way to a GPU or a faster backend, and asks before it does anything.',
            ),
            value: 'set up' as const,
          },
        ]),
  ];
}
