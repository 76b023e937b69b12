import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import type { DeviceReport } from '../../compute/protocol.ts';
import { routeDirectory } from '../../compute/setup/home.ts';
import { install } from '../../compute/setup/install.ts';
import { planSetup, type Plan, type Route } from '../../compute/setup/plan.ts';
import { takeSurvey, type Survey } from '../../compute/setup/survey.ts';
import { readSetting } from '../api.ts';
import type { Job, JobQueue } from '../averaging/jobQueue.ts';
import { chosenPython } from '../averaging/python.ts';
import type { Dialogs, Option } from '../dialogs.ts';
import { requireTrust } from '../trust.ts';

/**
 * Looks what there is, shows what can be done about it, and does what the user picks and then agrees to: what it
 * downloads and compiles is told in full, which a line of a list has no room for.
 */
export async function setUpGpu(
  jobs: JobQueue,
  dialogs: Dialogs,
  log: vscode.LogOutputChannel,
): Promise<void> {
  requireTrust(
    l10n.t('Trust this workspace to set up a GPU: that starts its Python and may load its modules.'),
  );
  const survey = await look(jobs, log);
  const plan = planSetup(survey);
  log.info(['Set Up GPU found:', ...plan.found].join('\n  '));
  const route = await choose(plan, dialogs);
  if (route === undefined) return;
  if (route.blocked !== undefined) {
    await dialogs.notify('info', route.blocked, []);
    return;
  }
  if (!(await agreed(route, plan, dialogs))) return;
  const report = await carryOut(route, survey, jobs, log);
  log.info(`${report.name}: ${report.detail}`);
  await tell(report, dialogs);
}

async function look(jobs: JobQueue, log: vscode.LogOutputChannel): Promise<Survey> {
  const title = l10n.t('Looking for TensorFlow, Python and graphics processors');
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const directory = folder?.scheme === 'file' ? folder.fsPath : process.cwd();
  const python = await chosenPython(folder ?? vscode.Uri.file(directory), directory, log);
  const job = jobs.add(title, ({ signal }) =>
    takeSurvey({ python, directory, signal, onLog: (level, text) => log[level](text) }),
  );
  return await withCancel(title, jobs, job);
}

async function choose({ found, routes, recommended }: Plan, dialogs: Dialogs): Promise<Route | undefined> {
  const options = routes.map((route): Option<Route> => ({
    label: `${route.blocked !== undefined ? '$(circle-slash)' : route.name === recommended ? '$(star-full)' : '$(desktop-download)'} ${route.title}`,
    description:
      route.blocked !== undefined
        ? l10n.t('not possible here')
        : route.name === recommended
          ? l10n.t('recommended')
          : '',
    detail: route.blocked ?? `${route.gives} ${route.does}`,
    value: route,
  }));
  const status = found.find((sentence) => sentence.endsWith('computes now.')) ?? '';
  return await dialogs.pickOne(options, {
    title: l10n.t('Set Up GPU'),
    placeholder:
      recommended === undefined
        ? l10n.t('{0} Nothing faster is proposed; what was found is in the log.', status)
        : l10n.t('{0} Nothing is downloaded or compiled before you agree.', status),
  });
}

function agreed({ name, title, gives, does }: Route, { found }: Plan, dialogs: Dialogs): Promise<boolean> {
  const place = l10n.t('It goes into {0}, and is used once its gradients are right.', routeDirectory(name));
  const detail = [gives, does, place, found.map((sentence) => `• ${sentence}`).join('\n')].join('\n\n');
  return dialogs.confirm(title, detail, l10n.t('Set Up'));
}

async function carryOut(
  route: Route,
  survey: Survey,
  jobs: JobQueue,
  log: vscode.LogOutputChannel,
): Promise<DeviceReport> {
  const job = jobs.add(route.title, ({ signal, report }) =>
    install(route, survey, { signal, onProgress: report, onLog: (level, text) => log[level](text) }),
  );
  return await withCancel(route.title, jobs, job);
}

/** A notification with Cancel and what is done now. */
async function withCancel<T>(title: string, jobs: JobQueue, job: Job<T>): Promise<T> {
  return await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      token.onCancellationRequested(() => job.cancel());
      const stop = jobs.onChange(({ current }) => {
        if (current?.id === job.id && current.message !== '') progress.report({ message: current.message });
      });
      try {
        return await job.result;
      } finally {
        stop();
      }
    },
  );
}

async function tell({ name, detail, selfTestMs }: DeviceReport, dialogs: Dialogs): Promise<void> {
  const show = l10n.t('Show Compute Devices');
  const setting = readSetting('backend');
  const used =
    setting === 'auto' || setting === name ? '' : l10n.t(' The setting twa.backend still says {0}.', setting);
  const message = l10n.t('{0} works: {1}. Gradients were checked in {2} ms.', name, detail, selfTestMs ?? 0);
  if ((await dialogs.notify('info', message + used, [show])) === show) {
    await vscode.commands.executeCommand('twa.showDevices');
  }
}
