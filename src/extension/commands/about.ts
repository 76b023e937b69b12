import { existsSync } from 'node:fs';
import * as vscode from 'vscode';

/** "What Is TWA?": a page of text and pictures in the editor, in the user's language where there is one. */
export async function showAbout(extensionUri: vscode.Uri): Promise<void> {
  const page = (name: string): vscode.Uri => vscode.Uri.joinPath(extensionUri, 'media', 'about', name);
  const translated = page(`about.${vscode.env.language}.md`);
  const uri = existsSync(translated.fsPath) ? translated : page('about.md');
  try {
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  } catch {
    // The built-in Markdown extension can be turned off; the text itself can be read, too.
    await vscode.window.showTextDocument(uri);
  }
}
