import '../shared/base.css';
import './curves.css';
import { connect, readStrings } from '../shared/editor.ts';
import { onThemeChange } from '../shared/theme.ts';
import { type FromCurves, readToCurves } from '../protocol.ts';
import type { CurvesStrings } from '../strings.ts';
import { CurvesPage } from './page.ts';
import type { CurvesState } from './state.ts';

const editor = connect<FromCurves, CurvesState>();
const page = new CurvesPage(document.getElementById('app')!, editor, readStrings() as CurvesStrings);
onThemeChange(() => page.themeChanged());
editor.listen(readToCurves, (message) => page.receive(message));
editor.send({ kind: 'ready' });
