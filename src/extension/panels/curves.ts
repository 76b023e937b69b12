import * as vscode from 'vscode';
import { readReport } from '../../core/averaging/report.ts';
import type { RunWatcher } from '../../core/runs/types.ts';
import { curvesStrings } from '../../../webview/strings.ts';
import { wantedRun } from '../../../webview/curves/state.ts';
import { CurvesSession } from './curvesSession.ts';
import { forUser, inBackground, loadPage, webviewOptions } from './page.ts';

const VIEW_TYPE = 'twa.curves';

export interface CurvesDependencies {
  readonly extensionUri: vscode.Uri;
  readonly watcher: () => RunWatcher;
  readonly log: vscode.LogOutputChannel;
  /** Shows a checkpoint or average in the tree. */
  readonly reveal: (checkpointPath: string) => Promise<void>;
  /** Shows a result panel. */
  readonly openReport: (reportPath: string) => Promise<void>;
  readonly watchFolder: () => Promise<void>;
}

/** The learning-curve panels: one per run asked for, and one that follows the newest run. */
export class CurvesPanels implements vscode.Disposable {
  readonly #dependencies: CurvesDependencies;
  readonly #panels = new Map<vscode.WebviewPanel, CurvesSession>();
  readonly #serializer: vscode.Disposable;
  #stopListening: (() => void) | undefined;

  constructor(dependencies: CurvesDependencies) {
    this.#dependencies = dependencies;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      deserializeWebviewPanel: (panel, state: unknown) => {
        this.#adopt(panel, wantedRun(state));
        return Promise.resolve();
      },
    });
  }

  /** Without a directory: the newest run, whichever that is. */
  show(runDirectory?: string): void {
    const wanted = runDirectory ?? null;
    for (const [panel, session] of this.#panels) {
      if (session.wanted === wanted) {
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

  dispose(): void {
    this.#stopListening?.();
    this.#serializer.dispose();
    for (const panel of [...this.#panels.keys()]) panel.dispose();
  }

  #adopt(panel: vscode.WebviewPanel, wanted: string | null): void {
    const { extensionUri, log, watcher, reveal, openReport, watchFolder } = this.#dependencies;
    const session = new CurvesSession(
      {
        post: (message) => inBackground(panel.webview.postMessage(message), log),
        setTitle: (run) => {
          const title = run === undefined ? vscode.l10n.t('Curves') : vscode.l10n.t('Curves: {0}', run);
          if (panel.title !== title) panel.title = title;
        },
        reveal: (path) => forUser(reveal(path), log),
        openReport: (path) => forUser(openReport(path), log),
        watchFolder: () => forUser(watchFolder(), log),
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
    this.#stopListening ??= this.#dependencies.watcher().onChange((snapshot) => {
      for (const session of this.#panels.values()) session.update(snapshot);
    });
  }
}
