/** What both pages share of VS Code's webview API. */
import * as vscode from 'vscode';
import { newNonce, pageHtml } from './html.ts';

const folderOf = (extensionUri: vscode.Uri): vscode.Uri =>
  vscode.Uri.joinPath(extensionUri, 'dist', 'webview');

/** A page reads its own folder and nothing else. */
export const webviewOptions = (extensionUri: vscode.Uri): vscode.WebviewOptions => ({
  enableScripts: true,
  enableForms: false,
  localResourceRoots: [folderOf(extensionUri)],
});

const ICONS = { curves: 'graph-line', result: 'beaker', tensors: 'table' };

export function loadPage(
  panel: vscode.WebviewPanel,
  extensionUri: vscode.Uri,
  page: keyof typeof ICONS,
  strings: Readonly<Record<string, string>>,
): void {
  const { webview } = panel;
  const uri = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(folderOf(extensionUri), file)).toString();
  webview.options = webviewOptions(extensionUri);
  panel.iconPath = new vscode.ThemeIcon(ICONS[page]);
  webview.html = pageHtml({
    cspSource: webview.cspSource,
    nonce: newNonce(),
    scriptUri: uri(`${page}.js`),
    styleUri: uri(`${page}.css`),
    title: panel.title,
    language: vscode.env.language,
    strings,
  });
}

/** Nobody waits for it, so what goes wrong goes to the log. */
export function inBackground(work: Thenable<unknown>, log: vscode.LogOutputChannel): void {
  work.then(undefined, (error: unknown) => log.error(error instanceof Error ? error : String(error)));
}

/** What the user asked for in a page: they are told when it goes wrong. */
export function forUser(work: Thenable<unknown>, log: vscode.LogOutputChannel): void {
  inBackground(work, log);
  work.then(undefined, (error: unknown) => {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  });
}
