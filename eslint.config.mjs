import tseslint from 'typescript-eslint';

/** The pure core runs anywhere: it knows neither the editor nor a GPU library nor the shells around it. */
const NOT_IN_CORE = {
  paths: ['vscode', 'node:child_process', 'child_process'],
  patterns: [
    { regex: '^@tensorflow/', message: 'The core never touches a GPU library: go through Objective.' },
    {
      regex: '(^|/)(compute|cli|extension|webview)/',
      message: 'The core never imports the shells around it.',
    },
  ],
};

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'demo-output/',
      'test-output/',
      '.tools/',
      'examples/*/runs/',
      '**/*.mjs',
      '**/*.cjs',
      '**/*.js',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Numeric loops over typed arrays are the daily bread here; `!` after a bounds-checked index is honest.
      '@typescript-eslint/no-non-null-assertion': 'off',
      eqeqeq: ['error', 'always'],
    },
  },
  { files: ['src/core/**/*.ts'], rules: { 'no-restricted-imports': ['error', NOT_IN_CORE] } },
  {
    files: ['src/compute/**/*.ts', 'src/cli/**/*.ts', 'webview/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', 'vscode'] },
  },
  {
    // node:test's `test` and `describe` return promises that nobody awaits.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
);
