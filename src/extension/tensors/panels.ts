import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import { readState } from '../../../webview/tensors/protocol.ts';
import { tensorsStrings } from '../../../webview/tensors/strings.ts';
import { TENSOR_EDITORS } from '../names.ts';
import { inBackground, loadPage, webviewOptions } from '../panels/page.ts';
import type { Subject, TensorsSession } from './session.ts';

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
  readonly #panels = new Map<vscode.WebviewPanel, TensorsSession>();
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
        deserializeWebviewPanel: async (panel, state: unknown) => {
          const { subject } = readState(state);
          if (subject === undefined) panel.dispose();
          else await this.#adopt(panel, { kind: 'comparison', ...subject });
        },
      }),
    ];
  }

  get sessions(): readonly TensorsSession[] {
    return [...this.#panels.values()];
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    // Of another scheme (a version in Git, say) there is no file to read parts of: its path says so in the page.
    const file = uri.scheme === 'file' ? uri.fsPath : uri.toString();
    const session = await this.#adopt(panel, { kind: 'checkpoint', path: file });
    if (session !== undefined && uri.scheme === 'file') {
      panel.onDidDispose(onChange(file, () => session.reload()));
    }
  }

  /** `a` is the older one. */
  async compare(a: string, b: string): Promise<void> {
    const panel = vscode.window.createWebviewPanel(
      COMPARISON,
      `${path.basename(a)} ↔ ${path.basename(b)}`,
      vscode.ViewColumn.Active,
      webviewOptions(this.#dependencies.extensionUri),
    );
    await this.#adopt(panel, { kind: 'comparison', a, b });
  }

  dispose(): void {
    for (const registration of this.#registrations) registration.dispose();
    for (const panel of [...this.#panels.keys()]) panel.dispose();
  }

  /** Undefined where the user has closed the panel meanwhile. */
  async #adopt(panel: vscode.WebviewPanel, subject: Subject): Promise<TensorsSession | undefined> {
    const { extensionUri, log } = this.#dependencies;
    let open = true as boolean;
    panel.onDidDispose(() => {
      open = false;
    });
    // With all readers: a window without such a page does without.
    const { TensorsSession } = await import('./session.ts');
    if (!open) return undefined;
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
    this.#panels.set(panel, session);
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

/** What tells one version of a file from another; the same text for any file that is not there. */
async function stamp(file: string): Promise<string> {
  try {
    const { size, mtimeMs } = await stat(file);
    return `${size} ${mtimeMs}`;
  } catch {
    return 'gone';
  }
}

/** Gives the function that stops watching. */
function onChange(file: string, listener: () => void): () => void {
  const pattern = new vscode.RelativePattern(vscode.Uri.file(path.dirname(file)), path.basename(file));
  const watcher = vscode.workspace.createFileSystemWatcher(pattern);
  let known = stamp(file);
  let timer: NodeJS.Timeout | undefined;
  const settled = async (): Promise<void> => {
    // Events come late: one may tell of a write that was over before the file was opened here.
    const [before, now] = [await known, await (known = stamp(file))];
    if (now !== before) listener();
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void settled(), SETTLED_MS);
  };
  watcher.onDidChange(later);
  watcher.onDidCreate(later);
  watcher.onDidDelete(later);
  return () => {
    clearTimeout(timer);
    watcher.dispose();
  };
}
