import * as vscode from 'vscode';

export interface Option<T> {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
  readonly picked?: boolean;
  readonly value: T;
}

export interface PickOptions {
  readonly title: string;
  readonly placeholder: string;
}

export interface InputOptions {
  readonly title: string;
  readonly prompt: string;
  readonly value: string;
  /** What is wrong with the text, or undefined. */
  readonly check: (text: string) => string | undefined;
}

export interface SaveOptions {
  readonly title: string;
  /** A path, or only a name. */
  readonly suggestion: string;
  /** Without its dot. */
  readonly extension: string;
}

export type Severity = 'info' | 'warning' | 'error';

/**
 * Everything that asks the user and waits. It is a seam: inside a test host nobody can answer, so in-host tests put
 * answers in its place. All of them give undefined where the user turns away.
 */
export interface Dialogs {
  pickOne<T>(options: readonly Option<T>[], texts: PickOptions): Promise<T | undefined>;
  pickMany<T>(options: readonly Option<T>[], texts: PickOptions): Promise<readonly T[] | undefined>;
  input(options: InputOptions): Promise<string | undefined>;
  saveFile(options: SaveOptions): Promise<string | undefined>;
  pickFolders(title: string, button: string): Promise<readonly string[] | undefined>;
  /** Asks for the name of a file to make; `suggested` is a whole path, `extensions` are without their dots. */
  saveAs(title: string, suggested: string, extensions: readonly string[]): Promise<string | undefined>;
  /** A notification with buttons. It is not modal: work goes on. Gives the button pressed. */
  notify(severity: Severity, message: string, buttons: readonly string[]): Promise<string | undefined>;
}

export const vscodeDialogs: Dialogs = {
  async pickOne(options, { title, placeholder }) {
    const picked = await vscode.window.showQuickPick([...options], {
      title,
      placeHolder: placeholder,
      matchOnDescription: true,
    });
    return picked?.value;
  },

  async pickMany(options, { title, placeholder }) {
    const picked = await vscode.window.showQuickPick([...options], {
      title,
      placeHolder: placeholder,
      matchOnDescription: true,
      canPickMany: true,
    });
    return picked?.map(({ value }) => value);
  },

  async input({ title, prompt, value, check }) {
    return await vscode.window.showInputBox({ title, prompt, value, validateInput: check });
  },

  async saveFile({ title, suggestion, extension }) {
    const uri = await vscode.window.showSaveDialog({
      title,
      defaultUri: vscode.Uri.file(suggestion),
      filters: { [extension.toUpperCase()]: [extension] },
    });
    return uri?.fsPath;
  },

  async pickFolders(title, button) {
    const uris = await vscode.window.showOpenDialog({
      title,
      openLabel: button,
      canSelectFiles: false,
      canSelectFolders: true,
      canSelectMany: true,
    });
    return uris?.map((uri) => uri.fsPath);
  },

  async saveAs(title, suggested, extensions) {
    const uri = await vscode.window.showSaveDialog({
      title,
      defaultUri: vscode.Uri.file(suggested),
      filters: Object.fromEntries(extensions.map((extension) => [extension, [extension]])),
    });
    return uri?.fsPath;
  },

  async notify(severity, message, buttons) {
    switch (severity) {
      case 'info':
        return await vscode.window.showInformationMessage(message, ...buttons);
      case 'warning':
        return await vscode.window.showWarningMessage(message, ...buttons);
      case 'error':
        return await vscode.window.showErrorMessage(message, ...buttons);
    }
  },
};
