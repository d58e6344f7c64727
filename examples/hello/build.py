"""The build step: renders the page."""
import os
import string

os.makedirs("public", exist_ok=True)
template = string.Template(open("index.template.html").read())
with open("public/index.html", "w") as page:
    page.write(template.substitute(release=open("RELEASE").read().strip(), commit=os.environ.get("BELAY_COMMIT", "")[:7]))
print("rendered public/index.html")
