// The texts that the extension shows, and their translations. `node scripts/strings.ts` collects every
// `l10n.t('...')` of the sources into l10n/bundle.l10n.json, drops from every translation what is shown no more, and
// lists what it lacks; a unit test compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '..');
export const bundlePath = path.join(root, 'l10n', 'bundle.l10n.json');

/** Each with its two files: the texts of the code, and those of package.json. */
export const TRANSLATIONS = ['zh-cn'] as const;

type Texts = Readonly<Record<string, string>>;

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
  return textOf(Object.fromEntries(sorted.map((text) => [text, text])));
}

export interface Translation {
  readonly path: string;
  /** By the texts to translate: their own words, or the keys of package.nls.json. */
  readonly english: Texts;
  readonly translated: Texts;
}

export function translations(): readonly Translation[] {
  return TRANSLATIONS.flatMap((language) =>
    [bundlePath, path.join(root, 'package.nls.json')].map((english) => {
      const file = english.replace(/\.json$/, `.${language}.json`);
      return { path: file, english: read(english), translated: read(file) };
    }),
  );
}

/** One line for everything that is wrong, to be mended by hand; none where the translation is whole. */
export function problemsOf({ path: file, english, translated }: Translation): string[] {
  const name = path.relative(root, file);
  const missing = Object.entries(english).filter(([key]) => !Object.hasOwn(translated, key));
  const dead = Object.keys(translated).filter((key) => !Object.hasOwn(english, key));
  const wrong = Object.entries(translated).filter(
    ([key, text]) => Object.hasOwn(english, key) && placesOf(english[key]!) !== placesOf(text),
  );
  return [
    ...missing.map(([key, text]) => `${name} lacks ${JSON.stringify(key)}: ${JSON.stringify(text)}`),
    ...dead.map((key) => `${name} has ${JSON.stringify(key)}, which is shown no more`),
    ...wrong.map(([key, text]) => `${name} has other places or links than ${JSON.stringify(key)}: ${text}`),
  ];
}

/** What a translation must keep: {0}, `code`, #settings# and the commands behind links. */
function placesOf(text: string): string {
  return [...text.matchAll(/\{\d+\}|`[^`]+`|\(command:[\w.]+\)/g)]
    .map(([place]) => place)
    .sort()
    .join(' ');
}

function read(file: string): Texts {
  return JSON.parse(readFileSync(file, 'utf8')) as Texts;
}

function textOf(texts: Texts): string {
  return `${JSON.stringify(texts, null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(bundlePath, await collectStrings());
  for (const translation of translations()) {
    const { path: file, english, translated } = translation;
    const kept = Object.keys(english).filter((key) => Object.hasOwn(translated, key));
    writeFileSync(file, textOf(Object.fromEntries(kept.map((key) => [key, translated[key]!]))));
  }
  for (const problem of translations().flatMap(problemsOf)) console.log(problem);
}
