import * as vscode from 'vscode';
import { TwaError } from '../core/errors.ts';

/** Commands that need trust are hidden without it; this guards them against every other way to be called. */
export function requireTrust(sentence: string): void {
  if (!vscode.workspace.isTrusted) throw new TwaError('usage', sentence);
}
