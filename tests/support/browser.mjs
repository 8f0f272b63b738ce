// Opens a page from the disk in Chromium, without a network, and prints as JSON what a person would meet: messages of the
// console, requests, what axe-core finds, and widths at which the page is wider than its window. With a folder, it leaves
// screenshots there.
//
//   node browser.mjs PACKAGES PAGE.html [FOLDER]
//
// PACKAGES is the folder with playwright-core and axe-core that tests/engines has made.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, page_path, folder] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { chromium } = require(join(resolve(packages), "playwright-core"));
const axe = readFileSync(join(resolve(packages), "axe-core", "axe.min.js"), "utf8");
const address = pathToFileURL(resolve(page_path)).href;

const found = { messages: [], requests: [], violations: [], overflows: [], headings: [], tables: 0, rules_passed: 0 };
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Tests may run as root, and in containers with little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
});
for (const scheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme: scheme, offline: true });
    const page = await context.newPage();
    page.on("console", (message) => found.messages.push(`${scheme}: ${message.text()}`));
    page.on("pageerror", (error) => found.messages.push(`${scheme}: ${error}`));
    page.on("request", (request) => {
        if (request.url() !== address) found.requests.push(request.url());
    });
    for (const width of [320, 360, 1280, 2560, 3840]) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(address);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (wide > 0) found.overflows.push(`${scheme}: ${wide} px at ${width} px`);
        if (folder && [360, 1280, 2560].includes(width)) {
            await page.screenshot({ path: join(folder, `${scheme}-${width}.png`), fullPage: true });
        }
        if (![360, 1280].includes(width)) continue;
        // Tables that are folded away are looked at too.
        await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
        await page.evaluate(axe);
        const result = await page.evaluate(() => axe.run(document, { resultTypes: ["violations", "incomplete"] }));
        found.rules_passed = result.passes.length;
        for (const { id, nodes } of result.violations) {
            for (const node of nodes) found.violations.push(`${scheme} at ${width} px: ${id}: ${node.html}`);
        }
    }
    found.headings = await page.evaluate(() => [...document.querySelectorAll("h1, h2, h3, h4")].map((it) => it.tagName));
    found.tables = await page.evaluate(() => document.querySelectorAll("table").length);
    if (folder && scheme === "light") {
        await page.emulateMedia({ media: "print" });
        await page.pdf({ path: join(folder, "print.pdf"), format: "A4" });
    }
    await context.close();
}
await browser.close();
console.log(JSON.stringify(found, null, 2));
