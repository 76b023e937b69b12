import * as vscode from 'vscode';

export interface Option<T> {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
  readonly picked?: boolean;
  /** Begins a group of options with this heading. */
  readonly group?: string;
  readonly value: T;
}

/** Where in a series of questions this one stands. */
export interface Step {
  /** From 1. */
  readonly at: number;
  readonly of: number;
  /** Called where the user goes back, before the answer (undefined). Without it there is no way back. */
  readonly back?: () => void;
}

export interface PickOptions {
  readonly title: string;
  readonly placeholder: string;
  readonly step?: Step;
}

export interface InputOptions {
  readonly title: string;
  readonly step?: Step;
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
  /** Asks in the middle of the window, for what is not to be done by mistake. Whether the button was pressed. */
  confirm(message: string, detail: string, button: string): Promise<boolean>;
}

export const vscodeDialogs: Dialogs = {
  async pickOne<T>(options: readonly Option<T>[], { title, placeholder, step }: PickOptions) {
    const pick = vscode.window.createQuickPick<Item<T>>();
    pick.title = title;
    pick.placeholder = placeholder;
    pick.matchOnDescription = true;
    pick.items = withGroups(options);
    const answer = await answered(pick, step, () => pick.selectedItems[0]);
    return answer?.option?.value;
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

  async input({ title, prompt, value, check, step }) {
    const box = vscode.window.createInputBox();
    box.title = title;
    box.prompt = prompt;
    box.value = value;
    box.valueSelection = [0, value.length];
    box.onDidChangeValue((text) => {
      box.validationMessage = check(text);
    });
    return await answered(box, step, () => {
      box.validationMessage = check(box.value);
      return box.validationMessage === undefined ? box.value : undefined;
    });
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

  async confirm(message, detail, button) {
    return (await vscode.window.showWarningMessage(message, { modal: true, detail }, button)) === button;
  },
};

interface Item<T> extends vscode.QuickPickItem {
  /** Absent on a heading. */
  readonly option?: Option<T>;
}

function withGroups<T>(options: readonly Option<T>[]): readonly Item<T>[] {
  return options.flatMap((option): readonly Item<T>[] => {
    const { label, description, detail, group } = option;
    const item = {
      label,
      ...(description === undefined ? {} : { description }),
      ...(detail === undefined ? {} : { detail }),
      option,
    };
    return group === undefined ? [item] : [{ label: group, kind: vscode.QuickPickItemKind.Separator }, item];
  });
}

/** What is there when the user accepts, unless that is undefined: then the question stays. */
function answered<T>(
  input: vscode.QuickPick<vscode.QuickPickItem> | vscode.InputBox,
  step: Step | undefined,
  answer: () => T | undefined,
): Promise<T | undefined> {
  if (step !== undefined) {
    input.step = step.at;
    input.totalSteps = step.of;
    if (step.back !== undefined) input.buttons = [vscode.QuickInputButtons.Back];
    // A look at another window to see what to answer must not throw the answers so far away.
    input.ignoreFocusOut = true;
  }
  return new Promise((resolve) => {
    input.onDidAccept(() => {
      const given = answer();
      if (given === undefined) return;
      resolve(given);
      input.hide();
    });
    input.onDidTriggerButton((button) => {
      if (button !== vscode.QuickInputButtons.Back) return;
      step?.back?.();
      resolve(undefined);
      input.hide();
    });
    input.onDidHide(() => {
      resolve(undefined);
      input.dispose();
    });
    input.show();
  });
}
