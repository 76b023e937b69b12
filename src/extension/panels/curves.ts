import * as vscode from 'vscode';
import { readReport } from '../../core/averaging/report.ts';
import type { RunWatcher } from '../../core/runs/types.ts';
import { curvesStrings } from '../../../webview/strings.ts';
import { wantedRuns } from '../../../webview/curves/state.ts';
import type { Liveness } from '../watching/liveness.ts';
import { TwaError } from '../../core/errors.ts';
import type { CurvesExport } from './curvesExport.ts';
import { CurvesSession } from './curvesSession.ts';
import { forUser, inBackground, loadPage, webviewOptions } from './page.ts';

const VIEW_TYPE = 'twa.curves';

export interface CurvesDependencies {
  readonly extensionUri: vscode.Uri;
  readonly watcher: () => RunWatcher;
  readonly liveness: Pick<Liveness, 'status' | 'onChange'>;
  readonly log: vscode.LogOutputChannel;
  /** Shows a checkpoint or average in the tree. */
  readonly reveal: (checkpointPath: string) => Promise<void>;
  /** Shows a result panel. */
  readonly openReport: (reportPath: string) => Promise<void>;
  /** Begins an average of these checkpoints of one run, oldest first, as its command does. */
  readonly average: (checkpointPaths: readonly string[]) => Promise<void>;
  readonly watchFolder: () => Promise<void>;
  readonly exports: CurvesExport;
}

/** The learning-curve panels: one per set of runs asked for, and one that follows the newest run. */
export class CurvesPanels implements vscode.Disposable {
  readonly #dependencies: CurvesDependencies;
  readonly #panels = new Map<vscode.WebviewPanel, CurvesSession>();
  readonly #serializer: vscode.Disposable;
  #stopListening: (() => void) | undefined;

  constructor(dependencies: CurvesDependencies) {
    this.#dependencies = dependencies;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      deserializeWebviewPanel: (panel, state: unknown) => {
        this.#adopt(panel, wantedRuns(state));
        return Promise.resolve();
      },
    });
  }

  /** These runs together; without any, the newest, whichever that is. */
  show(...runDirectories: readonly string[]): void {
    const wanted = runDirectories.length === 0 ? null : runDirectories;
    for (const [panel, session] of this.#panels) {
      if (sameRuns(session.wanted, wanted)) {
        panel.reveal();
        return;
      }
    }
    const panel = vscode.window.createWebviewPanel(
      VIEW_TYPE,
      vscode.l10n.t('Curves'),
      vscode.ViewColumn.Active,
      webviewOptions(this.#dependencies.extensionUri),
    );
    this.#adopt(panel, wanted);
  }

  /** Of the panel that is in front, else of any that can be seen. */
  async export(): Promise<void> {
    const panels = [...this.#panels];
    const [, session] =
      panels.find(([panel]) => panel.active) ?? panels.find(([panel]) => panel.visible) ?? [];
    if (session === undefined) {
      throw new TwaError('usage', vscode.l10n.t('Show the learning curves to export first.'));
    }
    await this.#export(session);
  }

  async #export(session: CurvesSession): Promise<void> {
    const format = await this.#dependencies.exports.pickFormat();
    if (format !== undefined) session.export(format);
  }

  dispose(): void {
    this.#stopListening?.();
    this.#serializer.dispose();
    for (const panel of [...this.#panels.keys()]) panel.dispose();
  }

  #adopt(panel: vscode.WebviewPanel, wanted: readonly string[] | null): void {
    const { extensionUri, log, watcher, liveness, reveal, openReport, average, watchFolder, exports } =
      this.#dependencies;
    const session = new CurvesSession(
      {
        post: (message) => {
          const taken = panel.webview.postMessage(message);
          inBackground(taken, log);
          return taken;
        },
        ask: (request) => inBackground(panel.webview.postMessage(request), log),
        setTitle: (shown) => {
          const title = titleFor(shown);
          if (panel.title !== title) panel.title = title;
        },
        reveal: (path) => forUser(reveal(path), log),
        openReport: (path) => forUser(openReport(path), log),
        average: (paths) => forUser(average(paths), log),
        watchFolder: () => forUser(watchFolder(), log),
        export: () => forUser(this.#export(session), log),
        saveData: (format, name, runs) => forUser(exports.data(format, name, runs), log),
        savePicture: (format, name, content) => forUser(exports.picture(format, name, content), log),
        stateOf: (run) => liveness.status(run).state,
        readReport: (path) => readReport(path),
        warn: (text) => log.warn(text),
      },
      watcher().snapshot,
      wanted,
    );
    this.#panels.set(panel, session);
    panel.webview.onDidReceiveMessage((message: unknown) => session.receive(message));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) session.pause();
    });
    panel.onDidDispose(() => {
      session.dispose();
      this.#panels.delete(panel);
      if (this.#panels.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    });
    loadPage(panel, extensionUri, 'curves', curvesStrings());
    this.#listen();
  }

  /** Only while there is a panel. */
  #listen(): void {
    if (this.#stopListening !== undefined) return;
    const { watcher, liveness } = this.#dependencies;
    const stops = [
      watcher().onChange((snapshot) => {
        for (const session of this.#panels.values()) session.update(snapshot);
      }),
      // What a run wrote comes with the snapshot; this is for the clock.
      liveness.onChange((changes) => {
        if (changes.every(({ before, after }) => before?.state === after.state)) return;
        for (const session of this.#panels.values()) session.update();
      }),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
  }
}

function titleFor(shown: string | number | undefined): string {
  if (shown === undefined) return vscode.l10n.t('Curves');
  return typeof shown === 'string'
    ? vscode.l10n.t('Curves: {0}', shown)
    : vscode.l10n.t('Curves: {0} runs', shown);
}

function sameRuns(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((directory) => b.includes(directory));
}
