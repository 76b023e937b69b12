/** What can be done with a result beside looking at it. */
import * as l10n from '@vscode/l10n';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import type { CommandRequest } from '../../compute/protocol.ts';
import type { AverageReport, ResultGeometry } from '../../core/averaging/types.ts';
import type { ResultAction, ResultMore } from '../../../webview/protocol.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import { showProgress } from '../averaging/notification.ts';
import { overall, progressText } from '../averaging/progress.ts';
import type { Dialogs } from '../dialogs.ts';
import { isCancelled } from '../errors.ts';
import type { CommandId } from '../names.ts';
import { requireTrust } from '../trust.ts';
import { OwnEvaluations } from './evaluations.ts';
import { openInTerminal } from './terminal.ts';

export interface ResultActionsOptions {
  readonly extensionUri: vscode.Uri;
  readonly storage: vscode.Uri;
  readonly memory: vscode.Memento;
  readonly jobs: JobQueue;
  readonly dialogs: Dialogs;
  readonly log: vscode.LogOutputChannel;
}

interface TypedCommand {
  readonly run: string;
  readonly pattern: string;
}

const TYPED_KEY = 'evaluationCommand';

export class ResultActions {
  readonly #options: ResultActionsOptions;
  readonly #evaluations: OwnEvaluations;
  readonly #listeners = new Set<() => void>();
  /** By the merged checkpoint; of old reports, once somebody asked. */
  readonly #computed = new Map<string, ResultGeometry>();
  /** Reports never change; their geometry is worked out once. */
  readonly #known = new WeakMap<AverageReport, ResultGeometry | 'none'>();
  readonly #learning = new WeakSet<AverageReport>();
  readonly #reachable = new WeakMap<AverageReport, boolean>();

  constructor(options: ResultActionsOptions) {
    this.#options = options;
    this.#evaluations = new OwnEvaluations(options.memory);
  }

  /** Calls when {@link more} may say something else. Gives the function that stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Undefined for a moment, where {@link onChange} will call. */
  more(report: AverageReport): ResultMore | undefined {
    const known = this.#known.get(report);
    if (known === undefined) {
      this.#learn(report);
      return undefined;
    }
    return this.#more(report, known === 'none' ? this.#computed.get(report.output) : known);
  }

  #more(report: AverageReport, geometry: ResultGeometry | undefined): ResultMore {
    const { isTrusted } = vscode.workspace;
    const can: readonly (readonly [ResultAction, boolean])[] = [
      ['evaluate', isTrusted],
      ['again', isTrusted],
      ['terminal', isTrusted],
      ['markdown', true],
      ['export', true],
      ['geometry', geometry === undefined && this.#canReach(report)],
    ];
    return {
      ...(geometry === undefined ? {} : { geometry }),
      evaluations: this.#evaluations.of(report.output),
      can: can.flatMap(([action, possible]) => (possible ? [action] : [])),
    };
  }

  async run(action: ResultAction, reportPath: string, report: AverageReport): Promise<void> {
    switch (action) {
      case 'evaluate':
        await this.#evaluate(report);
        return;
      case 'again':
        requireTrust(
          l10n.t(
            'Trust this workspace to average checkpoints: that runs code of the project and writes files.',
          ),
        );
        await vscode.commands.executeCommand(
          'twa.averageAgain' satisfies CommandId,
          vscode.Uri.file(reportPath),
        );
        return;
      case 'terminal':
        requireTrust(l10n.t('Trust this workspace to open a terminal in it.'));
        await openInTerminal(report, this.#options);
        return;
      case 'markdown':
        await this.#copyMarkdown(report);
        return;
      case 'export':
        await this.#export(report);
        return;
      case 'geometry':
        await this.#compute(report);
        return;
    }
  }

  async #evaluate(report: AverageReport): Promise<void> {
    requireTrust(l10n.t('Trust this workspace to evaluate a checkpoint: that runs a command of yours.'));
    const { jobs, log } = this.#options;
    const request = (await this.#declared(report)) ?? (await this.#asked(report));
    if (request === undefined) return;
    const title = l10n.t('Evaluating {0}', path.basename(report.output));
    const job = jobs.add(
      title,
      ({ signal, report: tell }) =>
        runJob('command', request, {
          signal,
          cwd: request.directory ?? path.dirname(request.task ?? report.output),
          onProgress: (progress) => tell(progress.fraction, progress.message),
          onLog: (level, text) => log[level](text),
        }),
      { reads: [report.output] },
    );
    showProgress(title, jobs, job);
    const { command, directory, value, milliseconds } = await job.result;
    const at = new Date().toISOString();
    await this.#evaluations.add(report.output, { command, directory, value, at, milliseconds });
    this.#changed();
  }

  /** The command of the task, where the task is one. */
  async #declared({ output, provenance: { task } }: AverageReport): Promise<CommandRequest | undefined> {
    if (task === undefined || !existsSync(task)) return undefined;
    // Loaded when it is needed: the schema validator would be half of the extension's start-up time.
    const { loadTask } = await import('../../core/task/load.ts');
    const { engine } = await loadTask(task);
    return engine === 'command' ? { checkpoint: output, task, split: 'test' } : undefined;
  }

  async #asked({ output }: AverageReport): Promise<CommandRequest | undefined> {
    const { dialogs, memory } = this.#options;
    const before = typedBefore(memory.get(TYPED_KEY));
    const title = l10n.t('Evaluate with My Command');
    const run = await dialogs.input({
      title,
      prompt: l10n.t(
        'A line for the shell. It is given the merged checkpoint as {checkpoint}, or in $TWA_CHECKPOINT, and prints a number.',
      ),
      value: before?.run ?? 'python evaluate.py {checkpoint}',
      check: (text) =>
        text.includes('{checkpoint}') || text.includes('TWA_CHECKPOINT')
          ? undefined
          : l10n.t('Without {checkpoint} the command would not know what to evaluate.'),
    });
    if (run === undefined) return undefined;
    const pattern = await dialogs.input({
      title,
      prompt: l10n.t(
        'Where is the number? A regular expression whose first group it is, or nothing: the last line is the number.',
      ),
      value: before?.pattern ?? '',
      check: (text) => problemOf(text),
    });
    if (pattern === undefined) return undefined;
    await memory.update(TYPED_KEY, { run, pattern } satisfies TypedCommand);
    const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(output))?.uri.fsPath;
    const directory = folder ?? path.dirname(path.dirname(output));
    return { checkpoint: output, run, directory, split: 'test', ...(pattern === '' ? {} : { pattern }) };
  }

  async #copyMarkdown(report: AverageReport): Promise<void> {
    const { resultMarkdown } = await import('./markdown.ts');
    const text = resultMarkdown(report, this.#knownOf(report), vscode.env.language);
    await vscode.env.clipboard.writeText(text);
  }

  async #export(report: AverageReport): Promise<void> {
    const { dialogs } = this.#options;
    const { resultHtml } = await import('./html.ts');
    const file = await dialogs.saveFile({
      title: l10n.t('Export Report'),
      suggestion: `${report.output.replace(/\.[^/\\.]*$/, '')}.html`,
      extension: 'html',
    });
    if (file === undefined) return;
    await writeFile(file, resultHtml(report, this.#knownOf(report), vscode.env.language));
    const open = l10n.t('Open in Browser');
    // Not waited for: the work is done.
    void dialogs.notify('info', l10n.t('Saved {0}.', file), [open]).then((button) => {
      if (button === open) void vscode.env.openExternal(vscode.Uri.file(file));
    });
  }

  async #compute(report: AverageReport): Promise<void> {
    const { jobs, log } = this.#options;
    const checkpoints = report.provenance.sources.map((source) => source.path);
    const title = l10n.t('Where the checkpoints of {0} lie', path.basename(report.output));
    const job = jobs.add(
      title,
      ({ signal, report: tell }) =>
        runJob(
          'geometry',
          { checkpoints },
          {
            signal,
            onProgress: (progress) => tell(overall(progress), progressText(progress)),
            onLog: (level, text) => log[level](text),
          },
        ),
      { reads: checkpoints },
    );
    showProgress(title, jobs, job);
    try {
      const { geometryFrom, gramOf } = await import('../../core/averaging/resultGeometry.ts');
      this.#computed.set(report.output, geometryFrom(gramOf(await job.result), report));
    } catch (error) {
      if (isCancelled(error)) return;
      throw error;
    }
    this.#changed();
  }

  /** Whoever acts has seen the page, so the report is known. */
  #knownOf(report: AverageReport): ResultMore {
    return this.more(report) ?? this.#more(report, undefined);
  }

  /** Loaded when it is needed: factoring matrices is no part of starting up. */
  #learn(report: AverageReport): void {
    if (this.#learning.has(report)) return;
    this.#learning.add(report);
    void import('../../core/averaging/resultGeometry.ts')
      .then(({ resultGeometry }) => this.#known.set(report, resultGeometry(report) ?? 'none'))
      .catch((error: unknown) => {
        this.#options.log.warn(`${report.output}: ${String(error)}`);
        this.#known.set(report, 'none');
      })
      .finally(() => this.#changed());
  }

  #canReach(report: AverageReport): boolean {
    let reachable = this.#reachable.get(report);
    if (reachable === undefined) {
      const { sources } = report.provenance;
      reachable = sources.length > 1 && sources.every((source) => existsSync(source.path));
      this.#reachable.set(report, reachable);
    }
    return reachable;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function typedBefore(value: unknown): TypedCommand | undefined {
  if (typeof value !== 'object' || value === null || !('run' in value) || !('pattern' in value))
    return undefined;
  const { run, pattern } = value;
  return typeof run === 'string' && typeof pattern === 'string' ? { run, pattern } : undefined;
}

function problemOf(pattern: string): string | undefined {
  if (pattern === '') return undefined;
  try {
    // With an alternative that matches nothing, a match tells how many groups there are.
    const groups = new RegExp(`${pattern}|`).exec('')!.length - 1;
    return groups > 0 ? undefined : l10n.t('The number must be a group: put parentheses around it.');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
