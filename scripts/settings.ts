// `node scripts/settings.ts` writes docs/settings.md from what package.json declares; a unit test compares.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
export const settingsPage = path.join(root, 'docs', 'settings.md');

interface Property {
  readonly default: unknown;
  readonly scope: string;
  readonly order: number;
  readonly enum?: readonly string[];
  readonly enumDescriptions?: readonly string[];
  readonly markdownDescription: string;
}

interface Manifest {
  readonly capabilities: {
    readonly untrustedWorkspaces: { readonly restrictedConfigurations: readonly string[] };
  };
  readonly contributes: {
    readonly configuration: { readonly properties: Readonly<Record<string, Property>> };
  };
}

const SCOPES: Readonly<Record<string, string>> = {
  window: 'user, workspace',
  resource: 'user, workspace, folder',
  'machine-overridable': 'this machine, workspace, folder',
  machine: 'this machine',
  application: 'user',
};

export function settingsText(): string {
  const { capabilities, contributes } = read('package.json') as Manifest;
  const nls = read('package.nls.json') as Readonly<Record<string, string>>;
  const text = (key: string): string => nls[key.replaceAll('%', '')] ?? key;
  const restricted = new Set(capabilities.untrustedWorkspaces.restrictedConfigurations);
  const sections = Object.entries(contributes.configuration.properties)
    .toSorted(([, a], [, b]) => a.order - b.order)
    .map(([name, property]) =>
      [
        `## \`${name}\``,
        text(property.markdownDescription).replaceAll(/`#([\w.]+)#`/g, '`$1`'),
        ...(property.enum === undefined
          ? []
          : [
              property.enum
                .map((value, i) => `- \`${value}\`: ${text(property.enumDescriptions?.[i] ?? '')}`)
                .join('\n'),
            ]),
        `Default: \`${JSON.stringify(property.default)}\`. Set for: ${SCOPES[property.scope] ?? property.scope}.` +
          (restricted.has(name) ? ' What a workspace says counts only if it is trusted.' : ''),
      ].join('\n\n'),
    );
  return `${[
    '# Settings',
    'Made from `package.json` by `node scripts/settings.ts`. Nothing has to be set: runs are found by themselves.',
    ...sections,
  ].join('\n\n')}\n`;
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
}

if (import.meta.main) writeFileSync(settingsPage, settingsText());
