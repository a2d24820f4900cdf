import argparse
import datetime
import functools
import operator
import sys
import urllib.parse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
