// esbuild gathers the imported style sheets into dist/webview/<entry>.css.
declare module '*.css';
