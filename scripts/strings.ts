// Collects the texts that the extension shows, for translators: every `l10n.t('...')` in the sources goes into
// l10n/bundle.l10n.json. `node scripts/strings.ts` writes it; a unit test compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '..');
export const bundlePath = path.join(root, 'l10n', 'bundle.l10n.json');

/** What the bundle should say. */
export async function collectStrings(): Promise<string> {
  const strings = new Set<string>();
  for await (const file of glob(['src/extension/**/*.ts', 'webview/**/*.ts'], { cwd: root })) {
    const source = ts.createSourceFile(
      file,
      readFileSync(path.join(root, file), 'utf8'),
      ts.ScriptTarget.Latest,
    );
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && /(^|\.)l10n\.t$/.test(node.expression.getText(source))) {
        const [text] = node.arguments;
        if (text === undefined || !ts.isStringLiteralLike(text)) {
          const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
          throw new Error(`${file}:${line + 1}: translators need the text itself: l10n.t('...')`);
        }
        strings.add(text.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  const sorted = [...strings].sort();
  return `${JSON.stringify(Object.fromEntries(sorted.map((text) => [text, text])), null, 2)}\n`;
}

if (import.meta.main) writeFileSync(bundlePath, await collectStrings());
