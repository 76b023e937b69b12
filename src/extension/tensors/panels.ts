import path from 'node:path';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import { readState } from '../../../webview/tensors/protocol.ts';
import { tensorsStrings } from '../../../webview/tensors/strings.ts';
import { TENSOR_EDITORS } from '../names.ts';
import { inBackground, loadPage, webviewOptions } from '../panels/page.ts';
import { type Subject, TensorsSession } from './session.ts';

const COMPARISON = 'twa.tensorsComparison';
/** A file that is being written changes many times a second. */
const SETTLED_MS = 500;

export interface TensorsDependencies {
  readonly extensionUri: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
}

/** The read-only editor of a checkpoint's tensors, and the panels that compare two checkpoints. */
export class TensorsPanels implements vscode.Disposable, vscode.CustomReadonlyEditorProvider {
  readonly #dependencies: TensorsDependencies;
  readonly #panels = new Set<vscode.WebviewPanel>();
  readonly #registrations: readonly vscode.Disposable[];

  constructor(dependencies: TensorsDependencies) {
    this.#dependencies = dependencies;
    this.#registrations = [
      ...Object.values(TENSOR_EDITORS).map((viewType) =>
        vscode.window.registerCustomEditorProvider(viewType, this, {
          supportsMultipleEditorsPerDocument: true,
        }),
      ),
      vscode.window.registerWebviewPanelSerializer(COMPARISON, {
        deserializeWebviewPanel: (panel, state: unknown) => {
          const { subject } = readState(state);
          if (subject === undefined) panel.dispose();
          else this.#adopt(panel, { kind: 'comparison', ...subject });
          return Promise.resolve();
        },
      }),
    ];
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    // Of another scheme (a version in Git, say) there is no file to read parts of: its path says so in the page.
    const file = uri.scheme === 'file' ? uri.fsPath : uri.toString();
    const session = this.#adopt(panel, { kind: 'checkpoint', path: file });
    if (uri.scheme === 'file') panel.onDidDispose(onChange(file, () => session.reload()));
  }

  /** `a` is the older one. */
  compare(a: string, b: string): void {
    const panel = vscode.window.createWebviewPanel(
      COMPARISON,
      `${path.basename(a)} ↔ ${path.basename(b)}`,
      vscode.ViewColumn.Active,
      webviewOptions(this.#dependencies.extensionUri),
    );
    this.#adopt(panel, { kind: 'comparison', a, b });
  }

  dispose(): void {
    for (const registration of this.#registrations) registration.dispose();
    for (const panel of [...this.#panels]) panel.dispose();
  }

  #adopt(panel: vscode.WebviewPanel, subject: Subject): TensorsSession {
    const { extensionUri, log } = this.#dependencies;
    const session = new TensorsSession(
      {
        post: (message) => inBackground(panel.webview.postMessage(message), log),
        copy: (text) => inBackground(vscode.env.clipboard.writeText(text), log),
        warn: (text) => log.warn(text),
        run: (job, request, hooks) =>
          runJob(job, request, { ...hooks, onLog: (level, text) => log[level](text) }),
        titles: {
          incomplete: vscode.l10n.t('This checkpoint is not complete'),
          unreadable: vscode.l10n.t('This checkpoint cannot be read'),
        },
      },
      subject,
    );
    this.#panels.add(panel);
    panel.webview.onDidReceiveMessage((message: unknown) => session.receive(message));
    panel.onDidChangeViewState(() => {
      if (!panel.visible) session.pause();
    });
    panel.onDidDispose(() => {
      session.dispose();
      this.#panels.delete(panel);
    });
    loadPage(panel, extensionUri, 'tensors', tensorsStrings());
    return session;
  }
}

/** Gives the function that stops watching. */
function onChange(file: string, listener: () => void): () => void {
  const pattern = new vscode.RelativePattern(vscode.Uri.file(path.dirname(file)), path.basename(file));
  const watcher = vscode.workspace.createFileSystemWatcher(pattern);
  let timer: NodeJS.Timeout | undefined;
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(listener, SETTLED_MS);
  };
  watcher.onDidChange(later);
  watcher.onDidCreate(later);
  watcher.onDidDelete(later);
  return () => {
    clearTimeout(timer);
    watcher.dispose();
  };
}
