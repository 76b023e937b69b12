import * as vscode from 'vscode';
import { EXTENSION_ID, WALKTHROUGH } from '../names.ts';

/** "Get Started": the four steps of the walkthrough. */
export async function openWalkthrough(): Promise<void> {
  const category = `${EXTENSION_ID}#${WALKTHROUGH}`;
  await vscode.commands.executeCommand('workbench.action.openWalkthrough', { category }, false);
}
