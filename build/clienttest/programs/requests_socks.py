import sys

import requests

proxy, url = sys.argv[1:]
print(requests.get(url, proxies={"http": proxy, "https": proxy}, timeout=60).text)
