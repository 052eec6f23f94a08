// What visitors read, by language. Nowhere else is there a word for them.
import ar from "./ar.json";
import de from "./de.json";
import en from "./en.json";
import es from "./es.json";
import fr from "./fr.json";
import ja from "./ja.json";
import pt from "./pt.json";

export type Words = typeof en;

const LANGUAGES: Record<string, Words> = { ar, de, en, es, fr, ja, pt };

/** The first of the wanted languages that there is: "de-CH" is served by "de". */
export function wordsFor(wanted: readonly string[]): { language: string; words: Words } {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split("-")[0] ?? "";
    const words = Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language] : undefined;
    if (words) return { language, words };
  }
  return { language: "en", words: en };
}
