/** "Open the Example": a project of its own in a folder that the user chooses, which trains while one watches. */
import * as l10n from '@vscode/l10n';
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { TwaError } from '../../core/errors.ts';
import type { Dialogs } from '../dialogs.ts';
import { requireTrust } from '../trust.ts';

const FOLDER = 'twa-digits-example';
const RUN = 'digits';
/** In the global state: the example that waits for its window. */
const PENDING = 'example.pending';

export interface ExampleServices {
  /** Where the extension is installed. */
  readonly extensionUri: vscode.Uri;
  readonly memory: vscode.Memento;
  readonly dialogs: Dialogs;
  /** Shows a folder: by VS Code itself, which a test does not want. */
  readonly openFolder: (folder: string) => Thenable<unknown>;
  /** What shows the run while it trains. */
  readonly watch: (run: string) => Promise<void>;
}

export class Example {
  readonly #services: ExampleServices;

  constructor(services: ExampleServices) {
    this.#services = services;
  }

  /** Copies the example into a new folder and opens that. Its window trains it, see {@link Example.resume}. */
  async open(): Promise<void> {
    const { dialogs, memory, extensionUri, openFolder } = this.#services;
    const [parent] =
      (await dialogs.pickFolders(
        l10n.t('Where Shall the Folder "{0}" Be Made?', FOLDER),
        l10n.t('Make It Here'),
      )) ?? [];
    if (parent === undefined) return;
    const folder = newFolder(parent);
    const from = vscode.Uri.joinPath(extensionUri, 'dist', 'example').fsPath;
    await cp(from, folder, { recursive: true, errorOnExist: true, force: false });
    await memory.update(PENDING, folder);
    await openFolder(folder);
  }

  /** Trains an example that has just been opened, as soon as its folder is trusted. */
  async resume(): Promise<void> {
    const pending = this.#services.memory.get<unknown>(PENDING);
    const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.fsPath === pending);
    if (folder === undefined) return;
    if (!vscode.workspace.isTrusted) {
      const granted = vscode.workspace.onDidGrantWorkspaceTrust(() => {
        granted.dispose();
        void this.resume();
      });
      return;
    }
    await this.#services.memory.update(PENDING, undefined);
    await this.train(folder);
  }

  /** Trains in a terminal, where it can be read and ended. A checkpoint appears every half second or so. */
  async train(folder = exampleFolder()): Promise<void> {
    requireTrust(l10n.t('Trust this workspace to train its example.'));
    if (folder === undefined) {
      throw new TwaError(
        'not-found',
        l10n.t('The digits example is not open here. "TWA: Open the Example…" makes one.'),
      );
    }
    const runs = path.join(folder.uri.fsPath, 'runs');
    const name = newName(runs, RUN);
    const program = vscode.Uri.joinPath(this.#services.extensionUri, 'dist', 'train-example.mjs').fsPath;
    const data = path.join(folder.uri.fsPath, 'data');
    const task = new vscode.Task(
      { type: 'process' },
      folder,
      l10n.t('Train the digits example'),
      'TWA',
      new vscode.ProcessExecution(
        process.execPath,
        [program, '--data', data, '--out', runs, '--name', name],
        // The extension host may be Electron, which is Node only when told so.
        { env: { ELECTRON_RUN_AS_NODE: '1' } },
      ),
      [],
    );
    task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, focus: false };
    await vscode.tasks.executeTask(task);
    await this.#services.watch(path.join(runs, name));
  }
}

function exampleFolder(): vscode.WorkspaceFolder | undefined {
  return vscode.workspace.workspaceFolders?.find(({ uri }) =>
    ['twa.json', 'data/digits.csv', 'data/splits.json'].every((file) =>
      existsSync(path.join(uri.fsPath, file)),
    ),
  );
}

const newFolder = (parent: string): string => path.join(parent, newName(parent, FOLDER));

/** The name, or the name with the first number that makes it new. */
function newName(parent: string, name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(path.join(parent, candidate))) return candidate;
  }
}
