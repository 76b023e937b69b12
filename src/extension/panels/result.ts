import path from 'node:path';
import * as vscode from 'vscode';
import { readReport } from '../../core/averaging/report.ts';
import type { PassProgress } from '../../core/averaging/types.ts';
import type { LiveCheckpoint } from '../../../webview/protocol.ts';
import { resultStrings } from '../../../webview/strings.ts';
import { shownReport } from '../../../webview/result/state.ts';
import type { ResultActions } from '../results/actions.ts';
import { forUser, inBackground, loadPage, webviewOptions } from './page.ts';
import { ResultSession, type ResultState } from './resultSession.ts';

const VIEW_TYPE = 'twa.result';
/** Ten times a second looks live and leaves the page time to draw. */
const PROGRESS_INTERVAL_MS = 100;

export interface ResultDependencies {
  readonly extensionUri: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  /** Shows a checkpoint or average in the tree. */
  readonly reveal: (checkpointPath: string) => Promise<void>;
  readonly actions: ResultActions;
  /** Tells the user what went wrong. */
  readonly reportError: (error: unknown) => void;
}

export interface LiveOptions {
  readonly title: string;
  /** Oldest first. */
  readonly checkpoints: readonly LiveCheckpoint[];
  /** With it the panel has a Cancel button. */
  readonly cancel?: () => void;
}

/** A panel that follows a running pass. All of it does nothing once the user has closed the panel. */
export interface LivePass {
  progress(progress: PassProgress): void;
  /** The panel shows the report from now on. */
  done(reportPath: string): Promise<void>;
  /** Cancelled passes too: "Cancelled." */
  failed(message: string, details?: readonly string[]): void;
}

interface Opened {
  readonly panel: vscode.WebviewPanel;
  readonly session: ResultSession;
  cancel: (() => void) | undefined;
}

/** The result panels: one per report, and one per running pass, which becomes the one of its report. */
export class ResultPanels implements vscode.Disposable {
  readonly #dependencies: ResultDependencies;
  readonly #opened = new Set<Opened>();
  readonly #serializer: vscode.Disposable;
  readonly #stopListening: () => void;

  constructor(dependencies: ResultDependencies) {
    this.#dependencies = dependencies;
    this.#stopListening = dependencies.actions.onChange(() => {
      for (const { session } of this.#opened) session.moreChanged();
    });
    this.#serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      deserializeWebviewPanel: async (panel, state: unknown) => {
        const reportPath = shownReport(state);
        this.#adopt(
          panel,
          reportPath === undefined
            ? {
                kind: 'unavailable',
                message: vscode.l10n.t('The pass that this panel followed ended with the window.'),
              }
            : await this.#read(reportPath),
        );
      },
    });
  }

  /** Rejects where the report cannot be read. */
  async show(reportPath: string): Promise<void> {
    const opened = this.#find(reportPath);
    const report = await readReport(reportPath);
    const state: ResultState = { kind: 'report', path: reportPath, report };
    if (opened === undefined) {
      this.#adopt(this.#create(titleOf(state)), state);
    } else {
      opened.session.become(state);
      opened.panel.reveal();
    }
  }

  openLive(options: LiveOptions): LivePass {
    const { title, checkpoints, cancel } = options;
    const opened = this.#adopt(this.#create(title), {
      kind: 'live',
      live: { title, checkpoints, cancellable: cancel !== undefined, fraction: 0, message: '', points: [] },
    });
    opened.cancel = cancel;
    return {
      progress: (progress) => opened.session.progress(progress),
      done: async (reportPath) => {
        if (this.#opened.has(opened)) this.#become(opened, await this.#read(reportPath));
      },
      failed: (message, details = []) => {
        const { state } = opened.session;
        if (state.kind !== 'live') return;
        this.#become(opened, {
          kind: 'live',
          live: { ...state.live, cancellable: false, failure: { message, details } },
        });
      },
    };
  }

  dispose(): void {
    this.#serializer.dispose();
    this.#stopListening();
    for (const { panel } of [...this.#opened]) panel.dispose();
  }

  #find(reportPath: string): Opened | undefined {
    return [...this.#opened].find(
      ({ session: { state } }) => state.kind === 'report' && state.path === reportPath,
    );
  }

  #become(opened: Opened, state: ResultState): void {
    opened.session.become(state);
    if (state.kind === 'report') opened.panel.title = titleOf(state);
  }

  async #read(reportPath: string): Promise<ResultState> {
    try {
      return { kind: 'report', path: reportPath, report: await readReport(reportPath) };
    } catch (error) {
      return { kind: 'unavailable', message: error instanceof Error ? error.message : String(error) };
    }
  }

  #create(title: string): vscode.WebviewPanel {
    const options = webviewOptions(this.#dependencies.extensionUri);
    return vscode.window.createWebviewPanel(VIEW_TYPE, title, vscode.ViewColumn.Active, options);
  }

  #adopt(panel: vscode.WebviewPanel, state: ResultState): Opened {
    const { extensionUri, log, reveal, actions, reportError } = this.#dependencies;
    const session = new ResultSession(
      {
        post: (message) => inBackground(panel.webview.postMessage(message), log),
        reveal: (checkpointPath) => forUser(reveal(checkpointPath), log),
        openFile: (file) => forUser(vscode.window.showTextDocument(vscode.Uri.file(file)), log),
        copy: (text) => forUser(vscode.env.clipboard.writeText(text), log),
        cancel: () => opened.cancel?.(),
        act: (action) => {
          const { state: now } = session;
          if (now.kind === 'report') actions.run(action, now.path, now.report).catch(reportError);
        },
        more: (report) => actions.more(report),
        warn: (text) => log.warn(text),
        later: (callback) => setTimeout(callback, PROGRESS_INTERVAL_MS),
      },
      state,
    );
    const opened: Opened = { panel, session, cancel: undefined };
    this.#opened.add(opened);
    panel.webview.onDidReceiveMessage((message: unknown) => session.receive(message));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) session.pause();
    });
    panel.onDidDispose(() => {
      session.pause();
      this.#opened.delete(opened);
    });
    loadPage(panel, extensionUri, 'result', resultStrings());
    return opened;
  }
}

const titleOf = (state: Extract<ResultState, { kind: 'report' }>): string =>
  vscode.l10n.t('Result: {0}', path.basename(state.report.output));
