/** What other extensions get: see `api/twa.d.ts`. Whatever they pass is `unknown` here. */
import * as l10n from '@vscode/l10n';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { Disposable, Registration, TwaApi, TwaExports } from '../../../api/twa.d.ts';
import { register } from '../../core/contributions/registry.ts';
import { type ContributionKind, isContributionId } from '../../core/contributions/types.ts';
import { TwaError } from '../../core/errors.ts';
import { isInside } from '../watching/folders.ts';
import type { AverageDependencies } from './average.ts';

const VERSION = 1;

export function publicApi(deps: AverageDependencies): TwaExports {
  const registers = (kind: ContributionKind) => async (registration: unknown) => {
    const { id, module } = await narrow(registration);
    const end = await register({ kind, id, module });
    deps.log.info(`${id}: ${kind} registered, ${module}`);
    return disposable(() => {
      end();
      deps.log.info(`${id}: ${kind} gone`);
    });
  };
  const api: TwaApi = {
    version: VERSION,
    registerCheckpointFormat: registers('format'),
    registerMetricsSource: registers('metrics'),
    registerEngine: registers('engine'),
    average: async (request, signal) => (await import('./average.ts')).averageFor(request, signal, deps),
  };
  return {
    getApi(version: unknown) {
      if (version === VERSION) return Object.freeze(api);
      throw new TwaError('usage', `There is no version ${String(version)} of this API: ask for ${VERSION}.`);
    },
  };
}

/** Once, however often it is called. */
function disposable(end: () => void): Disposable {
  let ended = false;
  return {
    dispose() {
      if (!ended) end();
      ended = true;
    },
  };
}

async function narrow(value: unknown): Promise<Registration> {
  const { id, module } = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Registration, unknown>
  >;
  if (typeof id !== 'string' || !isContributionId(id))
    throw new TwaError('usage', `"${String(id)}" is no id for a registration: give publisher.name.`);
  if (typeof module !== 'string' || !path.isAbsolute(module))
    throw new TwaError('usage', `${id}: give the absolute path of the module.`);
  const found = await stat(module).catch(() => undefined);
  if (found?.isFile() !== true) throw new TwaError('not-found', `${id}: there is no module ${module}.`);
  requireForeign(module);
  return { id, module };
}

/** Code of a workspace that is not trusted is not run for an extension either. */
function requireForeign(module: string): void {
  if (vscode.workspace.isTrusted) return;
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (!folders.some(({ uri }) => uri.scheme === 'file' && isInside(module, uri.fsPath))) return;
  throw new TwaError('usage', l10n.t('Trust this workspace before {0} may run.', module));
}
