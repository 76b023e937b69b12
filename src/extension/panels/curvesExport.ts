import * as l10n from '@vscode/l10n';
import { createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as vscode from 'vscode';
import { csvPieces, jsonPieces } from '../../core/metrics/export.ts';
import type { ExportedRun } from '../../core/metrics/export.ts';
import type { ExportFormat } from '../../../webview/protocol.ts';
import type { Dialogs, Option } from '../dialogs.ts';

/** Saves what a curves page shows where the user wants it. */
export class CurvesExport {
  readonly #dialogs: Dialogs;

  constructor(dialogs: Dialogs) {
    this.#dialogs = dialogs;
  }

  async pickFormat(): Promise<ExportFormat | undefined> {
    return await this.#dialogs.pickOne(formats(), {
      title: l10n.t('Export Learning Curves'),
      placeholder: l10n.t('As what?'),
    });
  }

  /** Every point of these series. @param name of what is shown. */
  async data(format: 'csv' | 'json', name: string, runs: readonly ExportedRun[]): Promise<void> {
    const pieces = format === 'csv' ? csvPieces(runs) : jsonPieces(runs);
    await this.#save(format, name, async (file) => {
      try {
        await pipeline(Readable.from(pieces), createWriteStream(file));
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    });
  }

  /** @param content of an SVG its text, of a PNG its bytes in base64. */
  async picture(format: 'png' | 'svg', name: string, content: string): Promise<void> {
    const bytes = Buffer.from(content, format === 'png' ? 'base64' : 'utf8');
    await this.#save(format, name, (file) => writeFile(file, bytes));
  }

  async #save(format: ExportFormat, name: string, write: (file: string) => Promise<void>): Promise<void> {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
    const fileName = `${name.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'curves'}.${format}`;
    const file = await this.#dialogs.saveFile({
      title: l10n.t('Export Learning Curves'),
      suggestion: folder === undefined ? fileName : path.join(folder, fileName),
      extension: format,
    });
    if (file === undefined) return;
    await write(file);
    const open = l10n.t('Open');
    // Not waited for: the work is done.
    void this.#dialogs.notify('info', l10n.t('Saved {0}.', file), [open]).then((button) => {
      if (button === open) void vscode.commands.executeCommand('vscode.open', vscode.Uri.file(file));
    });
  }
}

function formats(): readonly Option<ExportFormat>[] {
  return [
    { label: 'CSV', detail: l10n.t('Every point of the series that are shown, one row each.'), value: 'csv' },
    { label: 'JSON', detail: l10n.t('The same, by run and series.'), value: 'json' },
    { label: 'SVG', detail: l10n.t('The charts as they are seen, as lines and text.'), value: 'svg' },
    { label: 'PNG', detail: l10n.t('The charts as they are seen, as an image.'), value: 'png' },
  ];
}
