import '../shared/base.css';
import './result.css';
import { connect, readStrings } from '../shared/editor.ts';
import { onThemeChange } from '../shared/theme.ts';
import { type FromResult, readToResult } from '../protocol.ts';
import type { ResultStrings } from '../strings.ts';
import { ResultPage } from './page.ts';
import type { ResultPageState } from './state.ts';

const editor = connect<FromResult, ResultPageState>();
const page = new ResultPage(document.getElementById('app')!, editor, readStrings() as ResultStrings);
onThemeChange(() => page.themeChanged());
editor.listen(readToResult, (message) => page.receive(message));
editor.send({ kind: 'ready' });
