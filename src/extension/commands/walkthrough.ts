import * as vscode from 'vscode';
import { EXTENSION_ID, WALKTHROUGH } from '../names.ts';

/** "What Is TWA?": the walkthrough, which also says it in a picture. */
export async function openWalkthrough(): Promise<void> {
  const category = `${EXTENSION_ID}#${WALKTHROUGH}`;
  await vscode.commands.executeCommand('workbench.action.openWalkthrough', { category }, false);
}
